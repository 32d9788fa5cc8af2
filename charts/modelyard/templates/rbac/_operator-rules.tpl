{{/*
The operator's permissions, once: the ClusterRole of the cluster mode or the Role of each watched namespace.
Server-side apply that creates an object needs create and patch. No Secrets, no wildcards, no CRDs.
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
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
{{- end }}
