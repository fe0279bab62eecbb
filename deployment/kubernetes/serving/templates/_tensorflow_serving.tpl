{{/*
tensorflow_model_server: its ports open once the models are loaded, and it ends at SIGTERM at
once, so it is stopped only after the load balancers have noticed.
*/}}
{{- define "ranker.tensorflow_serving" -}}
{{- if .Values.verifyKey }}{{ fail "verifyKey is for server: gaterank; TensorFlow Serving checks no signatures" }}{{ end -}}
command: [tensorflow_model_server]
args:
  - --port=8500
  - --rest_api_port=8501
  - --model_config_file=/etc/ranker/models.config
  - --model_config_file_poll_wait_seconds={{ .Values.configPollSeconds }}
  - --monitoring_config_file=/etc/ranker/monitoring.config
  {{- if .Values.batching }}
  - --enable_batching
  - --batching_parameters_file=/etc/ranker/batching.txt
  {{- end }}
  {{- if .Values.tls.secretName }}
  - --ssl_config_file=/ssl/ssl.config
  {{- end }}
lifecycle:
  preStop:
    exec: {command: [sleep, "{{ .Values.drainSeconds }}"]}
startupProbe:
  tcpSocket: {port: rest}
  periodSeconds: 2
  failureThreshold: {{ div .Values.startupSeconds 2 }}
readinessProbe:
  {{- if .Values.modelsConfig }}
  tcpSocket: {port: rest}
  {{- else }}
  httpGet: {path: /v1/models/{{ .Values.model.name }}/metadata, port: rest}
  {{- end }}
  periodSeconds: 5
  timeoutSeconds: 5
livenessProbe:
  tcpSocket: {port: grpc}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
{{- end }}
