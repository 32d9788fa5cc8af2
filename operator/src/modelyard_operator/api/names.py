"""Group, kinds, labels and annotations: every key that Modelyard writes on an object."""

GROUP = "modelyard.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

FIELD_MANAGER = "modelyard"

LABEL_MANAGED_BY = "app.kubernetes.io/managed-by"
LABEL_APP = "app.kubernetes.io/name"
LABEL_MODEL = "modelyard.dev/model"
LABEL_REVISION = "modelyard.dev/revision"
LABEL_INTENT = "modelyard.dev/intent"
LABEL_KUEUE_QUEUE = "kueue.x-k8s.io/queue-name"

ANNOTATION_SPEC_HASH = "modelyard.dev/spec-hash"
ANNOTATION_REFRESH = "modelyard.dev/refresh"
ANNOTATION_BUNDLE = "modelyard.dev/bundle"
ANNOTATION_ROTATE = "modelyard.dev/rotate"
ANNOTATION_UPSTREAM = "modelyard.dev/upstream-keys"

MANAGED_BY = "modelyard"
MANAGED_SELECTOR = f"{LABEL_MANAGED_BY}={MANAGED_BY}"
NETWORK_POLICY = "modelyard-models"

SERVICE_PORT = 80
GRPC_SERVICE_PORT = 9000
MODEL_PATH = "/mnt/model"
PVC_ROOT = "/mnt/pvc"
CREDENTIALS_PATH = "/var/run/secrets/modelyard/credentials"
API_KEY_PATH = "/var/run/secrets/modelyard/upstream"

FETCH_CONTAINER = "fetch"
SERVER_CONTAINER = "server"


def model_labels(model: str) -> dict[str, str]:
    """Labels that every child of one model carries."""
    return {LABEL_MANAGED_BY: MANAGED_BY, LABEL_APP: model, LABEL_MODEL: model}
