"""The charts of the model's deployments, and what each brings to a cluster: both from the same values."""
import base64

from emco import chart

LABEL = "emco/deployment-id"
DEFINITION = ("apiextensions.k8s.io/v1/CustomResourceDefinition", "things.model.emcod.test")
TEXTS = ("alpha", "beta", "gamma", "delta")
FIRST = {"text": "alpha", "maps": 2, "replicas": 1, "port": 80}

WEB = """{{- range $i := until (int .Values.maps) }}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: "PREFIX-map-{{ $i }}"}
data:
  text: {{ $.Values.text | quote }}
  key-{{ $.Values.text }}: "of this text only"
{{- end }}
---
apiVersion: v1
kind: Secret
metadata: {name: PREFIX-web}
stringData: {password: {{ .Values.text | quote }}}
---
apiVersion: v1
kind: Service
metadata: {name: PREFIX-web}
spec:
  selector: {app: PREFIX-web}
  ports: [{name: http, port: {{ .Values.port }}}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: PREFIX-web}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: PREFIX-web}}
  template:
    metadata: {labels: {app: PREFIX-web}}
    spec:
      containers: [{name: main, image: "example.org/web:{{ .Values.text }}"}]
"""

# A job cannot be changed, so each text has one of its own.
JOB = """apiVersion: v1
kind: ServiceAccount
metadata: {name: PREFIX-job}
---
apiVersion: batch/v1
kind: Job
metadata: {name: "PREFIX-{{ .Values.text }}"}
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{name: main, image: "example.org/job:{{ .Values.text }}"}]
"""

SPACE = """apiVersion: v1
kind: Namespace
metadata: {name: PREFIX-space}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: PREFIX-inner, namespace: PREFIX-space}
data: {text: {{ .Values.text | quote }}}
"""

THING = """apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.model.emcod.test}
spec:
  group: model.emcod.test
  scope: Namespaced
  names: {kind: Thing, plural: things, singular: thing}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
---
apiVersion: model.emcod.test/v1
kind: Thing
metadata: {name: PREFIX-thing}
spec: {text: {{ .Values.text | quote }}, port: {{ .Values.port }}}
"""

TEMPLATES = {"web": WEB, "job": JOB, "space": SPACE, "thing": THING}


def archive(app, prefix):
    values = "".join(f"{name}: {value}\n" for name, value in FIRST.items())
    return chart(app, {"all.yaml": TEMPLATES[app].replace("PREFIX", prefix)}, values)


def brings(app, prefix, values):
    """{(kind, namespace, name): facts} of an app on each of its clusters; facts as FACTS reads them from a living object."""
    text = values["text"]
    if app == "web":
        found = {("v1/ConfigMap", "default", f"{prefix}-map-{i}"): {"text": text, f"key-{text}": "of this text only"}
                 for i in range(values["maps"])}
        found["v1/Secret", "default", f"{prefix}-web"] = {"password": text}
        found["v1/Service", "default", f"{prefix}-web"] = [("http", values["port"])]
        found["apps/v1/Deployment", "default", f"{prefix}-web"] = (values["replicas"], f"example.org/web:{text}")
        return found
    if app == "job":
        return {("v1/ServiceAccount", "default", f"{prefix}-job"): None,
                ("batch/v1/Job", "default", f"{prefix}-{text}"): f"example.org/job:{text}"}
    if app == "space":
        return {("v1/Namespace", "", f"{prefix}-space"): None,
                ("v1/ConfigMap", f"{prefix}-space", f"{prefix}-inner"): {"text": text}}
    return {("model.emcod.test/v1/Thing", "default", f"{prefix}-thing"): {"text": text, "port": values["port"]}}


def image_of(item):
    return item["spec"]["template"]["spec"]["containers"][0]["image"]


FACTS = {
    "v1/ConfigMap": lambda item: item.get("data"),
    "v1/Secret": lambda item: {key: base64.b64decode(value).decode() for key, value in item.get("data", {}).items()},
    "v1/Service": lambda item: [(port["name"], port["port"]) for port in item["spec"]["ports"]],
    "apps/v1/Deployment": lambda item: (item["spec"]["replicas"], image_of(item)),
    "v1/ServiceAccount": lambda item: None,
    "batch/v1/Job": image_of,
    "v1/Namespace": lambda item: None,
    "model.emcod.test/v1/Thing": lambda item: item["spec"],
}

# What somebody else may change of an object, as a merge patch.
CHANGES = {
    "v1/ConfigMap": {"data": {"text": "changed"}},
    "v1/Secret": {"data": {"password": base64.b64encode(b"changed").decode()}},
    "apps/v1/Deployment": {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "example.org/other:1"}]}}}},
    "model.emcod.test/v1/Thing": {"spec": {"text": "changed"}},
}
