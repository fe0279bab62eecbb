{{/* `gaterank serve`: it says itself when it is ready, and drains itself after SIGTERM. */}}
{{- define "ranker.gaterank" -}}
args:
  - --config=/etc/ranker/models.config
  - --config-poll-seconds={{ .Values.configPollSeconds }}
  - --no-reload-requests
  - --monitoring-config=/etc/ranker/monitoring.config
  - --host=0.0.0.0
  - --drain-seconds={{ .Values.drainSeconds }}
  - --grace-seconds={{ .Values.graceSeconds }}
  {{- if .Values.batching }}
  - --batching=/etc/ranker/batching.txt
  {{- end }}
  {{- if .Values.tls.secretName }}
  - --ssl-config=/ssl/ssl.config
  {{- end }}
  {{- if .Values.verifyKey }}
  - --verify-key=/etc/ranker/public.pem
  {{- end }}
  {{- if .Values.requestLog.claim }}
  - --request-log=/request-log
  - --request-log-sample={{ .Values.requestLog.sample }}
  - --request-log-max-bytes={{ int64 .Values.requestLog.maxBytes }}
  {{- end }}
startupProbe:
  httpGet: {path: /readyz, port: rest, scheme: {{ include "ranker.scheme" . }}}
  periodSeconds: 2
  failureThreshold: {{ div .Values.startupSeconds 2 }}
readinessProbe:
  httpGet: {path: /readyz, port: rest, scheme: {{ include "ranker.scheme" . }}}
  periodSeconds: 2
  failureThreshold: 2
livenessProbe:
  httpGet: {path: /healthz, port: rest, scheme: {{ include "ranker.scheme" . }}}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
{{- end }}
