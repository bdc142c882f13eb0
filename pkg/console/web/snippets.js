// What a service needs to read a bundle: as in docs/services.md, filled in.

const json = (value) => JSON.stringify(value, null, 2);

export function snippets({ name, arn, region }, keys) {
  // AWS adds six characters to an ARN; a policy must also fit a bundle that was deleted and made again.
  const anyArn = arn.replace(/-[^-]{6}$/, "-*");
  return [
    ["Policy of the service’s role", json({
      Version: "2012-10-17",
      Statement: [{ Effect: "Allow", Action: "secretsmanager:GetSecretValue", Resource: anyArn }],
    })],
    ["ECS, in the container definition", json({
      secrets: keys.map((key) => ({ name: key, valueFrom: `${arn}:${key}::` })),
    })],
    ["Lambda, in Python with the Secrets Manager extension", `import json, os, urllib.request

def secret():
    request = urllib.request.Request(
        "http://localhost:2773/secretsmanager/get?secretId=${encodeURIComponent(name)}",
        headers={"X-Aws-Parameters-Secrets-Token": os.environ["AWS_SESSION_TOKEN"]})
    return json.loads(json.load(urllib.request.urlopen(request))["SecretString"])`],
    ["Kubernetes, External Secrets Operator", `apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: my-service}
spec:
  refreshInterval: 5m
  secretStoreRef: {kind: ClusterSecretStore, name: aws-secrets-manager} # of the Region ${region}
  target: {name: my-service}
  dataFrom:
    - extract: {key: ${name}}`],
  ];
}
