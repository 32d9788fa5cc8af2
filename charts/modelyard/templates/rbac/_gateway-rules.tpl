{{/* What the gateway reads, once: the ClusterRole of the cluster mode or the Role of each watched namespace. */}}
{{- define "modelyard.gatewayRules" }}
- apiGroups: [modelyard.dev]
  resources: [modeldeployments]
  verbs: [list, watch]
# What was used of a key is written into its status. A read before that happens only when two gateways meet.
- apiGroups: [modelyard.dev]
  resources: [inferencekeys]
  verbs: [get, list, watch]
- apiGroups: [modelyard.dev]
  resources: [inferencekeys/status]
  verbs: [patch]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [list, watch]
{{- end }}
