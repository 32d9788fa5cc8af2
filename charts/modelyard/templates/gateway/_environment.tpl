{{/* What both containers of the gateway are told: Envoy's begins from the same settings as the process beside it. */}}
{{- define "modelyard.gatewayEnvironment" -}}
- name: MODELYARD_GATEWAY_POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: MODELYARD_GATEWAY_FOLDER
  value: /run/modelyard
- name: MODELYARD_GATEWAY_PORT
  value: "8080"
- name: MODELYARD_GATEWAY_HTTP_PORT
  value: "8081"
- name: MODELYARD_GATEWAY_ENVOY_PORT
  value: "8082"
- name: MODELYARD_GATEWAY_NAMESPACES
  value: {{ join "," .Values.namespaces | quote }}
- name: MODELYARD_GATEWAY_AUDIENCES
  value: {{ join "," .Values.gateway.audiences | quote }}
- name: MODELYARD_GATEWAY_DOMAIN
  value: {{ .Values.gateway.domain | quote }}
- name: MODELYARD_GATEWAY_ALLOW_PUBLIC
  value: {{ .Values.gateway.allowPublic | quote }}
- name: MODELYARD_GATEWAY_UPSTREAM_KEYS
  value: {{ ternary "/etc/modelyard/upstream/ring.json" "" (ne (include "modelyard.upstreamSecret" .) "") | quote }}
- name: MODELYARD_GATEWAY_LONGEST_BODY
  value: {{ .Values.gateway.longestBody | int64 | quote }}
- name: MODELYARD_GATEWAY_TRUSTED_HOPS
  value: {{ .Values.gateway.trustedHops | quote }}
- name: MODELYARD_GATEWAY_MOST_CONNECTIONS
  value: {{ .Values.gateway.mostConnections | int64 | quote }}
- name: MODELYARD_GATEWAY_REVIEWS_PER_SECOND
  value: {{ .Values.gateway.reviewsPerSecond | quote }}
- name: MODELYARD_GATEWAY_USAGE_SECONDS
  value: {{ .Values.gateway.usageSeconds | quote }}
- name: MODELYARD_GATEWAY_TLS
  value: {{ ternary "/etc/modelyard/tls" "" (ne .Values.gateway.tls.secretName "") | quote }}
- name: MODELYARD_GATEWAY_ENVOY_THREADS
  value: {{ .Values.gateway.envoy.threads | quote }}
- name: MODELYARD_GATEWAY_DRAIN_TIMEOUT
  value: {{ .Values.gateway.drainTimeout | quote }}
- name: MODELYARD_GATEWAY_LOG_FORMAT
  value: {{ .Values.gateway.log.format | quote }}
- name: MODELYARD_GATEWAY_LOG_LEVEL
  value: {{ .Values.gateway.log.level | quote }}
{{- end -}}
