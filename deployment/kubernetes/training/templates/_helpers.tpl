{{- define "training.labels" -}}
app.kubernetes.io/name: ranker-training
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "training.image" -}}
{{- $image := get .Values.images (get (dict "gpu" "gpu" "tpu" "tpu") .Values.kind | default "train") -}}
{{ $image.repository }}:{{ $image.tag }}{{ with $image.digest }}@{{ . }}{{ end }}
{{- end }}

{{/* A training of one process, or this process's part of one of several. */}}
{{- define "training.arguments" -}}
- /etc/ranker/ranker.yaml
- --examples={{ .Values.train.examples }}
- --out={{ .Values.train.out }}
{{- with .Values.train.base }}
- --base={{ . }}
{{- end }}
{{- end }}

{{/*
The pod of every kind: dict "root" $, "command" a list, "requests" what it asks for besides
resources. Its container is called as the training operator wants it.
*/}}
{{- define "training.pod" -}}
{{- $values := .root.Values -}}
{{- $signs := and (eq $values.kind "run") $values.signing.secretName -}}
metadata:
  labels: {{- include "training.labels" .root | nindent 4 }}
  annotations:
    sidecar.istio.io/inject: "false"
spec:
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ $values.graceSeconds }}
  {{- with $values.imagePullSecrets }}
  imagePullSecrets: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .restartPolicy }}
  restartPolicy: {{ . }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: {{ $values.user }}
    runAsGroup: {{ $values.user }}
    fsGroup: {{ $values.fsGroup }}
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile: {type: RuntimeDefault}
  {{- with merge (dict) (.nodeSelector | default dict) $values.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: tensorflow
      image: {{ include "training.image" .root }}
      imagePullPolicy: {{ $values.imagePullPolicy }}
      {{- .command | nindent 6 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {drop: [ALL]}
      resources:
        {{- $devices := .devices | default dict }}
        requests: {{- toYaml (merge (dict) $devices ($values.resources.requests | default dict)) | nindent 10 }}
        limits: {{- toYaml (merge (dict) $devices ($values.resources.limits | default dict)) | nindent 10 }}
      volumeMounts:
        - {name: ranker, mountPath: /etc/ranker, readOnly: true}
        - {name: data, mountPath: /data}
        - {name: tmp, mountPath: /tmp}
        - {name: shm, mountPath: /dev/shm}
        {{- if $signs }}
        - {name: signing, mountPath: /signing, readOnly: true}
        {{- end }}
  volumes:
    - name: ranker
      configMap: {name: {{ .root.Release.Name }}-ranker}
    - name: data
      persistentVolumeClaim: {claimName: {{ $values.claim }}}
    - name: tmp
      emptyDir: {}
    - name: shm
      emptyDir: {medium: Memory, sizeLimit: 1Gi}
    {{- if $signs }}
    - name: signing
      secret: {secretName: {{ $values.signing.secretName }}, defaultMode: 0440}
    {{- end }}
{{- end }}
