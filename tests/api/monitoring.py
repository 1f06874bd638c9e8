"""A chart of the shape and size that monitoring stacks have: about 120 objects of some 30 kinds, made to be hard on who deploys it.

Definitions both in crds/ and in templates/, custom resources beside them, objects of one name in two namespaces, a List of a
kind, texts full of braces, hooks, what controllers write into (quotas, autoscalers, claims), and what stands in everybody's way:
webhooks that must not come before the servers that answer them.
"""

HELPERS = """{{- define "stack.labels" -}}
app.kubernetes.io/part-of: {{ .Chart.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}
"""

DEFINITION = """apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: %(plural)s.monitoring.test
  creationTimestamp: null
  annotations: {controller-gen.kubebuilder.io/version: v0.11.1}
spec:
  group: monitoring.test
  scope: Namespaced
  names: {kind: %(kind)s, listKind: %(kind)sList, plural: %(plural)s, singular: %(singular)s, categories: [stack]}
  versions:
    - name: v1
      served: true
      storage: true
      additionalPrinterColumns: [{name: Replicas, type: integer, jsonPath: .spec.replicas}]
      subresources: {status: {}}
      schema:
        openAPIV3Schema:
          type: object
          required: [spec]
          properties:
            spec:
              type: object
              x-kubernetes-preserve-unknown-fields: true
              properties:
                replicas: {type: integer, format: int32, minimum: 0, default: 1}
                interval: {type: string, pattern: '^(0|(([0-9]+)y)?(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?)$'}
            status: {type: object, x-kubernetes-preserve-unknown-fields: true}
"""

KINDS = {"Prometheus": "prometheuses", "Alertmanager": "alertmanagers", "ServiceMonitor": "servicemonitors",
         "PodMonitor": "podmonitors", "PrometheusRule": "prometheusrules", "Probe": "probes"}

ACCOUNTS = """{{- range $name := .Values.components }}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ $name }}
  labels: {{- include "stack.labels" $ | nindent 4 }}
automountServiceAccountToken: false
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: stack-{{ $name }}
  labels: {{- include "stack.labels" $ | nindent 4 }}
rules:
  - {apiGroups: [""], resources: [nodes, nodes/metrics, services, endpoints, pods], verbs: [get, list, watch]}
  - {nonResourceURLs: [/metrics, /metrics/cadvisor], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: stack-{{ $name }}}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: stack-{{ $name }}}
subjects: [{kind: ServiceAccount, name: {{ $name }}, namespace: default}]
---
apiVersion: v1
kind: Service
metadata:
  name: {{ $name }}
  labels: {app: {{ $name }}}
spec:
  clusterIP: None
  selector: {app: {{ $name }}}
  ports: [{name: web, port: 9090, targetPort: web}, {name: probe, port: 8080}]
---
apiVersion: monitoring.test/v1
kind: ServiceMonitor
metadata: {name: {{ $name }}}
spec:
  selector: {matchLabels: {app: {{ $name }}}}
  interval: 30s
  endpoints: [{port: web, bearerTokenFile: /var/run/secrets/kubernetes.io/serviceaccount/token}]
---
apiVersion: monitoring.test/v1
kind: PrometheusRule
metadata: {name: {{ $name }}}
spec:
  groups:
    - name: {{ $name }}.rules
      rules:
        - alert: TargetDown
          annotations: {description: '{{ "{{" }} printf "%.4g" $value {{ "}}" }}% of the {{ "{{ $labels.job }}" }} targets are down.'}
          expr: 100 * (count(up == 0) by (job) / count(up) by (job)) > 10
          for: 10m
{{- end }}
{{- range $space := list "default" "stack-agents" }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: {{ $space }}}
rules: [{apiGroups: [""], resources: [configmaps], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader, namespace: {{ $space }}}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: ServiceAccount, name: prometheus, namespace: default}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: stack, namespace: {{ $space }}}
spec:
  podSelector: {}
  policyTypes: [Ingress]
  ingress: [{from: [{namespaceSelector: {}}], ports: [{port: 9090}, {port: 9091, protocol: UDP}]}]
{{- end }}
"""

WORKLOADS = """{{- range $name := list "grafana" "operator" "state-metrics" "adapter" }}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $name }}
  labels: {{- include "stack.labels" $ | nindent 4 }}
spec:
  selector: {matchLabels: {app: {{ $name }}}}
  template:
    metadata:
      labels: {app: {{ $name }}}
      annotations: {checksum/config: {{ $.Values.components | toJson | sha256sum }}}
    spec:
      serviceAccountName: {{ $name }}
      priorityClassName: stack-high
      securityContext: {runAsNonRoot: true, runAsUser: 472, fsGroup: 472}
      initContainers: [{name: chown, image: "busybox:1.31", command: [chown, -R, "472:472", /data]}]
      containers:
        - name: main
          image: "example.test/{{ $name }}:{{ $.Chart.AppVersion }}"
          args: ["--log.level=info", "--web.listen-address=:9090"]
          env:
            - {name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
            - {name: PASSWORD, valueFrom: {secretKeyRef: {name: admin, key: password}}}
          ports: [{name: web, containerPort: 9090}, {name: probe, containerPort: 8080}]
          resources: {limits: {cpu: 500m, memory: 128Mi}, requests: {cpu: 100m, memory: 64Mi}}
          readinessProbe: {httpGet: {path: /ready, port: web}, initialDelaySeconds: 5}
          volumeMounts: [{name: data, mountPath: /data}, {name: config, mountPath: /etc/config, readOnly: true}]
      volumes:
        - {name: data, emptyDir: {}}
        - {name: config, configMap: {name: dashboard-0}}
{{- end }}
{{- range $name := list "prometheus" "alertmanager" }}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: {{ $name }}}
spec:
  serviceName: {{ $name }}
  replicas: 2
  podManagementPolicy: Parallel
  selector: {matchLabels: {app: {{ $name }}}}
  template:
    metadata: {labels: {app: {{ $name }}}}
    spec:
      containers: [{name: main, image: "example.test/{{ $name }}:1", volumeMounts: [{name: data, mountPath: /data}]}]
  volumeClaimTemplates:
    - metadata: {name: data}
      spec: {accessModes: [ReadWriteOnce], storageClassName: stack-fast, resources: {requests: {storage: 50Gi}}}
---
apiVersion: {{ $.Values.budgets }}
kind: PodDisruptionBudget
metadata: {name: {{ $name }}}
spec: {maxUnavailable: 1, selector: {matchLabels: {app: {{ $name }}}}}
---
apiVersion: monitoring.test/v1
kind: {{ title $name }}
metadata: {name: {{ $name }}}
spec: {replicas: 2, retention: 10d, externalLabels: {cluster: "one"}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {{ $name }}
  annotations: {nginx.ingress.kubernetes.io/rewrite-target: /$1}
spec:
  rules:
    - host: {{ $name }}.example.test
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: {{ $name }}, port: {name: web}}}}]}
{{- end }}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: node-exporter, namespace: stack-agents}
spec:
  selector: {matchLabels: {app: node-exporter}}
  updateStrategy: {type: RollingUpdate, rollingUpdate: {maxUnavailable: 1}}
  template:
    metadata: {labels: {app: node-exporter}}
    spec:
      hostNetwork: true
      tolerations: [{effect: NoSchedule, operator: Exists}]
      containers: [{name: main, image: "example.test/node-exporter:1", ports: [{name: metrics, containerPort: 9100, hostPort: 9100}]}]
---
apiVersion: autoscaling/v1
kind: HorizontalPodAutoscaler
metadata: {name: grafana}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: grafana}, minReplicas: 1, maxReplicas: 3}
---
apiVersion: monitoring.test/v1
kind: PodMonitor
metadata: {name: agents, namespace: stack-agents}
spec: {selector: {matchLabels: {app: node-exporter}}, podMetricsEndpoints: [{port: metrics}]}
---
apiVersion: monitoring.test/v1
kind: Probe
metadata: {name: front}
spec: {prober: {url: "exporter:9115"}, targets: {staticConfig: {static: ["https://example.test"]}}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: grafana}
spec: {accessModes: [ReadWriteOnce], storageClassName: stack-fast, resources: {requests: {storage: 10Gi}}}
"""

BASE = """apiVersion: v1
kind: Namespace
metadata: {name: stack-agents, labels: {team: monitoring}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: prometheus, namespace: stack-agents}
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: agents, namespace: stack-agents}
spec: {hard: {configmaps: "50", pods: "100"}}
---
apiVersion: v1
kind: LimitRange
metadata: {name: agents, namespace: stack-agents}
spec: {limits: [{type: Container, default: {memory: 256Mi}, defaultRequest: {memory: 64Mi}}]}
---
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {name: stack-high}
value: 1000000
description: Monitoring goes before what it monitors.
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: stack-fast}
provisioner: example.test/none
volumeBindingMode: WaitForFirstConsumer
---
apiVersion: v1
kind: Secret
metadata: {name: admin}
type: Opaque
stringData: {user: admin, password: {{ .Values.password | quote }}}
---
apiVersion: v1
kind: Secret
metadata: {name: alertmanager}
data: {alertmanager.yaml: {{ "route: {receiver: none}" | b64enc }}}
---
apiVersion: v1
kind: Service
metadata: {name: outside}
spec: {ports: [{name: web, port: 9090}]}
---
apiVersion: v1
kind: Endpoints
metadata: {name: outside}
subsets: [{addresses: [{ip: 192.0.2.7}], ports: [{name: web, port: 9090, protocol: TCP}]}]
---
apiVersion: v1
kind: Service
metadata: {name: front}
spec:
  type: NodePort
  selector: {app: grafana}
  ports: [{name: web, port: 80, targetPort: 3000}, {name: admin, port: 81, targetPort: web}]
"""

# A dashboard is full of braces that are not Helm's.
DASHBOARDS = """{{- range $i := until (int .Values.dashboards) }}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: dashboard-{{ $i }}
  labels: {grafana_dashboard: "1"}
data:
  dashboard-{{ $i }}.json: |-
{{ $.Files.Get "dashboards/nodes.json" | replace "TITLE" (index (default (dict) $.Values.titles) (printf "d%d" $i) | default "Nodes") | indent 4 }}
{{- end }}
---
apiVersion: v1
kind: ConfigMapList
items:
{{- range $name := list "alerts" "rules" "targets" }}
  - apiVersion: v1
    kind: ConfigMap
    metadata: {name: listed-{{ $name }}}
    data: {name: {{ $name }}}
{{- end }}
"""
DASHBOARD = '{"title": "TITLE", "panels": [\n' + ",\n".join(
    '  {"id": %d, "expr": "rate(node_cpu{mode=~\\"$mode\\"}[5m])", "legendFormat": "{{ instance }} {{mode}}"}' % i for i in range(60)
) + "\n]}\n"

HOOKS = """apiVersion: v1
kind: ServiceAccount
metadata:
  name: admission
  annotations: {helm.sh/hook: "pre-install,pre-upgrade", helm.sh/hook-delete-policy: "before-hook-creation,hook-succeeded"}
---
apiVersion: batch/v1
kind: Job
metadata:
  name: admission-create
  annotations: {helm.sh/hook: "pre-install,pre-upgrade", helm.sh/hook-weight: "5"}
spec:
  backoffLimit: 3
  template:
    spec:
      restartPolicy: OnFailure
      serviceAccountName: admission
      containers: [{name: create, image: "example.test/certgen:1", args: [create, "--host=operator"]}]
---
apiVersion: batch/v1
kind: Job
metadata:
  name: admission-patch
  annotations: {helm.sh/hook: "post-install,post-upgrade"}
spec:
  template:
    spec:
      restartPolicy: OnFailure
      containers: [{name: patch, image: "example.test/certgen:1"}]
---
apiVersion: v1
kind: Pod
metadata:
  name: connection
  annotations: {helm.sh/hook: test}
spec: {containers: [{name: main, image: busybox}]}
---
apiVersion: batch/v1
kind: Job
metadata:
  name: farewell
  annotations: {helm.sh/hook: pre-delete}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: main, image: busybox}]}}}
"""

# Whoever has these before the workloads never gets the workloads: nobody answers them, and they insist.
WEBHOOKS = """apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: stack-admission}
webhooks:
  - name: defaults.monitoring.test
    failurePolicy: Fail
    sideEffects: None
    admissionReviewVersions: [v1]
    timeoutSeconds: 1
    clientConfig: {url: "https://127.0.0.1:9/mutate"}
    objectSelector: {matchLabels: {app.kubernetes.io/part-of: monitoring}}
    rules: [{apiGroups: [apps], apiVersions: [v1], operations: [CREATE], resources: [deployments]}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: stack-admission}
webhooks:
  - name: rules.monitoring.test
    failurePolicy: Fail
    sideEffects: None
    admissionReviewVersions: [v1]
    timeoutSeconds: 1
    clientConfig: {url: "https://127.0.0.1:9/validate"}
    rules: [{apiGroups: [monitoring.test], apiVersions: ["*"], operations: [CREATE], resources: [prometheusrules, probes]}]
"""

VALUES = """components: [alertmanager, prometheus, grafana, operator, state-metrics, adapter, exporter, pushgateway]
budgets: policy/v1
dashboards: 20
password: prom-operator
"""


def files():
    """{path: text} of the chart "monitoring"."""
    made = {"Chart.yaml": "apiVersion: v2\nname: monitoring\nversion: 1.0.0\nappVersion: 2.45.0\n", "values.yaml": VALUES,
            "dashboards/nodes.json": DASHBOARD, "templates/NOTES.txt": "Installed.\n", "templates/_helpers.tpl": HELPERS}
    for i, (kind, plural) in enumerate(KINDS.items()):
        folder = "crds" if i < 4 else "templates"
        made[f"{folder}/{plural}.yaml"] = DEFINITION % {"kind": kind, "plural": plural, "singular": kind.lower()}
    for name, text in {"accounts": ACCOUNTS, "base": BASE, "dashboards": DASHBOARDS, "hooks": HOOKS, "webhooks": WEBHOOKS,
                       "workloads": WORKLOADS}.items():
        made[f"templates/{name}.yaml"] = text
    return {f"monitoring/{path}": text for path, text in made.items()}
