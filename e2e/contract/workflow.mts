import { randomBytes } from "node:crypto";
import createClient from "openapi-fetch";
import type { paths } from "./goblins.js";

const { API_URL, API_KEY } = process.env;
const api = createClient<paths>({ baseUrl: API_URL, headers: { Authorization: `Bearer ${API_KEY}` } });

// must returns the body of an answer. The API explains a failure.
function must<T>({ data, error, response }: { data?: T; error?: unknown; response: Response }): T {
  if (!response.ok) throw new Error(`${response.status} ${JSON.stringify(error)}`);
  return data as T;
}

const secret = must(await api.POST("/api/secrets/", { body: { name: "my-app-secrets" } }));
const ofSecret = { params: { path: { secret_id: secret.id } } };
const ofItem = (id: string) => ({ params: { path: { secret_id: secret.id, item_id: id } } });
const add = async (key: string, value: string) =>
  must(await api.POST("/api/secrets/{secret_id}/items/", { ...ofSecret, body: { key, value } }));

const password = randomBytes(24).toString("base64url");
const item = await add("DATABASE_PASSWORD", password);
await add("STRIPE_SECRET_KEY", "sk_live_...");
const body = { name: "my-app", image: "myapp:v1.0.0", port: 8080, config: "your-config-id", secret: secret.id };
const service = must(await api.POST("/api/services/", { body }));

const page = must(await api.GET("/api/secrets/{secret_id}/items/", ofSecret));
const revealed = must(await api.GET("/api/secrets/{secret_id}/items/{item_id}/", ofItem(item.id)));
if (revealed.value !== password) throw new Error("another value came back");

must(await api.DELETE("/api/services/{service_id}/", { params: { path: { service_id: service.id } } }));
for (const { id } of page.results) {
  must(await api.DELETE("/api/secrets/{secret_id}/items/{item_id}/", ofItem(id)));
}
must(await api.DELETE("/api/secrets/{secret_id}/", ofSecret));
console.log("The workflow is done.");
