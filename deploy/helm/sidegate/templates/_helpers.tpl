{{- define "sidegate.labels" -}}
app.kubernetes.io/name: sidegate
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "sidegate.selector" -}}
app.kubernetes.io/name: sidegate
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "sidegate.config" -}}
{{- toYaml (merge (dict "listen" "0.0.0.0:8080" "admin_listen" "0.0.0.0:9901") .Values.config) }}
{{- end }}

{{- define "sidegate.container" -}}
name: sidegate
image: {{ printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
ports:
  - { name: http, containerPort: 8080 }
  - { name: admin, containerPort: 9901 }
startupProbe:
  httpGet: { path: /startupz, port: admin }
  periodSeconds: 1
  failureThreshold: 30
livenessProbe:
  httpGet: { path: /livez, port: admin }
readinessProbe:
  httpGet: { path: /readyz, port: admin }
  periodSeconds: 5
resources: {{ toJson .Values.resources }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: [ALL] }
volumeMounts:
  - { name: config, mountPath: /etc/sidegate, readOnly: true }
  - { name: secrets, mountPath: /run/secrets/sidegate, readOnly: true }
{{- end }}
