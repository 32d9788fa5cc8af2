{{/* Names and labels only: everything else is written in the template that needs it. */}}

{{/* Prefix of every object's name: the release name, with the chart's name added unless the release contains it. */}}
{{- define "modelyard.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 43 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 43 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "modelyard.operatorName" -}}
{{- printf "%s-operator" (include "modelyard.fullname" .) -}}
{{- end -}}

{{- define "modelyard.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (ternary (include "modelyard.operatorName" .) "default" .Values.serviceAccount.create) -}}
{{- end -}}

{{/* Reference of an image. Argument: dict "root" $ "image" .Values.images.<one>. */}}
{{- define "modelyard.image" -}}
{{- $reference := printf "%s/%s" .root.Values.images.registry .image.repository -}}
{{- if .image.digest -}}
{{- printf "%s@%s" $reference .image.digest -}}
{{- else -}}
{{- printf "%s:%s" $reference (.image.tag | default .root.Values.images.tag | default .root.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{- define "modelyard.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{/* Secret with the keys that models take from the gateway; empty when they take any request. */}}
{{- define "modelyard.upstreamSecret" -}}
{{- if and .Values.gateway.enabled .Values.gateway.upstreamKey.enabled }}modelyard-upstream{{ end -}}
{{- end -}}

{{- define "modelyard.gatewayName" -}}
{{- printf "%s-gateway" (include "modelyard.fullname" .) -}}
{{- end -}}

{{- define "modelyard.gatewayAccountName" -}}
{{- .Values.gateway.serviceAccount.name | default (ternary (include "modelyard.gatewayName" .) "default" .Values.gateway.serviceAccount.create) -}}
{{- end -}}

{{- define "modelyard.gatewaySelectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: gateway
{{- end -}}

{{- define "modelyard.gatewayPort" -}}
{{- .Values.gateway.service.port | default (ternary 443 80 (ne .Values.gateway.tls.secretName "")) -}}
{{- end -}}

{{/* Address of the gateway inside the cluster, or the one that the values name. */}}
{{- define "modelyard.gatewayUrl" -}}
{{- $scheme := ternary "https" "http" (ne .Values.gateway.tls.secretName "") -}}
{{- $port := ternary "" (printf ":%v" .Values.gateway.service.port) (has (int .Values.gateway.service.port) (list 0 (ternary 443 80 (eq $scheme "https")))) -}}
{{- .Values.gateway.url | default (printf "%s://%s.%s.svc%s" $scheme (include "modelyard.gatewayName" .) .Release.Namespace $port) -}}
{{- end -}}

{{- define "modelyard.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: modelyard
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}
