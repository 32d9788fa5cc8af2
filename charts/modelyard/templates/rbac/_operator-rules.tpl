{{/*
The operator's permissions, once: the ClusterRole of the cluster mode or the Role of each watched namespace.
Server-side apply that creates an object needs create and patch. No Secret is read; no wildcards, no CRDs.
*/}}
{{- define "modelyard.operatorRules" }}
- apiGroups: [modelyard.dev]
  resources: [modeldeployments]
  verbs: [get, list, watch]
- apiGroups: [modelyard.dev]
  resources: [modeldeployments/status]
  verbs: [patch]
- apiGroups: [apps]
  resources: [deployments, controllerrevisions]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [resource.k8s.io]
  resources: [resourceclaimtemplates]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [resource.k8s.io]
  resources: [resourceclaims]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch]
{{- if .Values.gateway.enabled }}
# Keys for InferenceKeys, each in a Secret of its own, and those that models take from the gateway. None is read.
- apiGroups: [modelyard.dev]
  resources: [inferencekeys]
  verbs: [get, list, watch]
- apiGroups: [modelyard.dev]
  resources: [inferencekeys/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [secrets]
  verbs: [create, patch]
{{- end }}
{{- end }}
