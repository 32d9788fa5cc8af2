{{/*
What users can name in a ModelDeployment without anybody writing more: a list that the operator makes objects of.

They are no templates because Helm and kubectl look up every kind before they create anything, and the API server serves
a new CRD only a moment later. The operator waits for its kinds anyway, and it starts again when the list changes.
*/}}
{{- define "modelyard.bundle" -}}
{{- if .Values.defaultRuntime.enabled }}
- kind: ModelRuntime
  name: modelyard-server
  spec:
    {{- include "modelyard.modelServerSpec" . | nindent 4 }}
{{- end }}
{{- range $name, $spec := .Values.acceleratorProfiles }}
{{- if $spec }}
- kind: AcceleratorProfile
  name: {{ $name }}
  spec:
    {{- toYaml $spec | nindent 4 }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The name of each object of a kind in the list above. Argument: dict "root" $ "kind" "ModelRuntime". */}}
{{- define "modelyard.bundledNames" -}}
{{- range include "modelyard.bundle" .root | fromYamlArray }}{{ if eq .kind $.kind }}
- {{ .name }}
{{- end }}{{ end }}
{{- end -}}
