{{- define "ranker.labels" -}}
app.kubernetes.io/name: ranker-serving
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "ranker.image" -}}
{{- $image := get .Values.images .Values.server -}}
{{ $image.repository }}:{{ $image.tag }}{{ with $image.digest }}@{{ . }}{{ end }}
{{- end }}

{{/* Whether REST has TLS: TensorFlow Serving's never has. */}}
{{- define "ranker.scheme" -}}
{{ if and .Values.tls.secretName (eq .Values.server "gaterank") }}HTTPS{{ else }}HTTP{{ end }}
{{- end }}

{{/* For every container: nothing that a server, or a script before it, needs not. */}}
{{- define "ranker.confined" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}
