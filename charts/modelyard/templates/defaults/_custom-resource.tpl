{{/*
A custom resource whose CRD comes with the same release. Arguments: root (the chart's scope), kind, name, spec (YAML).

Helm looks up every kind of a release before it creates anything, so on the first install, while the CRD is not served
yet, the object is a hook: hooks are looked up after the CRDs exist. Helm deletes a hook before it creates it again and
forgets it on uninstall, so a hook is good for the first install only. From the next upgrade on the object is an
ordinary part of the release, patched in place. The two release annotations allow Helm to adopt it then, and a last
hook gives it the new content, because a Helm that applies on the client side adopts an object without changing it.
*/}}
{{- define "modelyard.customResource" }}
{{- $firstInstall := "post-install,post-upgrade,post-rollback" }}
{{- $served := .root.Capabilities.APIVersions.Has (printf "modelyard.dev/v1alpha1/%s" .kind) }}
{{- if and .root.Values.crds.enabled (not $served) }}
{{- include "modelyard.customResourceObject" (merge (dict "hook" $firstInstall) .) }}
{{- else }}
{{- include "modelyard.customResourceObject" . }}
{{- $live := $served | ternary (lookup "modelyard.dev/v1alpha1" .kind "" .name) dict }}
{{- if eq $firstInstall (dig "metadata" "annotations" "helm.sh/hook" "" $live) }}
{{- include "modelyard.customResourceObject" (merge (dict "hook" "pre-upgrade") .) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "modelyard.customResourceObject" }}
---
apiVersion: modelyard.dev/v1alpha1
kind: {{ .kind }}
metadata:
  name: {{ .name }}
  labels:
    {{- include "modelyard.labels" .root | nindent 4 }}
  {{- with .hook }}
  annotations:
    helm.sh/hook: {{ . }}
    meta.helm.sh/release-name: {{ $.root.Release.Name }}
    meta.helm.sh/release-namespace: {{ $.root.Release.Namespace }}
  {{- end }}
spec:
  {{- .spec | nindent 2 }}
{{- end }}
