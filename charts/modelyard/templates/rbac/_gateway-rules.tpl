{{/* What the gateway reads, once: the ClusterRole of the cluster mode or the Role of each watched namespace. */}}
{{- define "modelyard.gatewayRules" }}
- apiGroups: [modelyard.dev]
  resources: [modeldeployments]
  verbs: [list, watch]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [list, watch]
{{- end }}
