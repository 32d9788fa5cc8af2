{{/* Spec of the ModelRuntime that the chart brings. */}}
{{- define "modelyard.modelServerSpec" -}}
image: {{ include "modelyard.image" (dict "root" . "image" .Values.images.modelServer) }}
formats:
  # package: a Modelyard package, whose model.yaml names the format. Used when spec.model.format is absent.
  - name: package
    priority: 1
  - name: torch
    priority: 1
  - name: sklearn
    priority: 1
  - name: onnx
    priority: 1
  - name: transformers
    priority: 1
  - name: gguf
    priority: 1
  - name: python
    priority: 1
  # Programs: with unsafeFormats: Allow and a pinned digest only.
  - name: torchscript
    priority: 1
  - name: torch-export
    priority: 1
port: 8080
grpcPort: 9000
command: [modelyard-server]
args: [serve, --model, $(MODEL_PATH), --name, $(MODEL_NAME), --port, $(PORT), --grpc-port, $(GRPC_PORT)]
env:
  # Where the gateway shows models a key, they ask for it.
  - name: MODELYARD_API_KEY_FILE
    value: $(API_KEY_FILE)
  # How clients of all models call this one.
  - name: MODELYARD_MODEL_ALIASES
    value: $(MODEL_NAMESPACE)/$(MODEL_NAME)
  {{- with .Values.defaultRuntime.env }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
probes:
  startupPath: /v2/health/ready
  readinessPath: /v2/health/ready
  livenessPath: /v2/health/live
{{- with .Values.defaultRuntime.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
