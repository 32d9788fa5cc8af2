{{/*
Who may reach the serving ports of models, as a list of NetworkPolicyPeers for the operator; nothing means everybody.
*/}}
{{- define "modelyard.modelClients" -}}
{{- if and .Values.gateway.enabled .Values.gateway.only }}
- namespaceSelector:
    matchLabels:
      kubernetes.io/metadata.name: {{ .Release.Namespace }}
  podSelector:
    matchLabels:
      {{- include "modelyard.gatewaySelectorLabels" . | nindent 6 }}
{{- with .Values.networkPolicy.modelsAlsoFrom }}
{{ toYaml . }}
{{- end }}
{{- end }}
{{- end -}}
