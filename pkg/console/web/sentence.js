// What an event says, as one sentence in parts: texts, and {name} for names that people gave.

const named = (object, noun) => (object?.name ?? object?.key ? { name: object.name ?? object.key } : {
  text: object ? `${noun} …${object.id.slice(-6)}` : noun,
});

const item = (event) => named(event.item, "an item");
const secret = (event) => named(event.secret, "a secret");
const inSecret = (event) => (event.secret ? [" in ", secret(event)] : []);

// whose is a user's key or the user, as the one who acts sees it.
const whom = (event) => (event.user && event.user.id === event.subject_user?.id ? "their own user"
  : named(event.subject_user, "a user"));
const forWhom = (event) => (event.user && event.user.id === event.subject_user?.id ? [" for themselves"]
  : [" for ", named(event.subject_user, "a user")]);

// spaced is a list that wraps.
const spaced = (list) => list.replaceAll(",", ", ");

// fields lists what a change gave, by field.
function fields(event) {
  const given = Object.entries(event.to ?? {}).map(([field, value]) =>
    [`${field.replace("_", " ")} `, value === "" ? "none" : { name: spaced(value) }]);
  return given.length === 0 ? [] : [": ", ...given.flatMap((part, i) => [i > 0 ? ", " : "", ...part])];
}

// forGood says that what was deleted did not go into the bin.
const forGood = (event) => (event.to?.restorable_until ? [] : [" for good"]);

// formerly says what had another name in the bin.
const formerly = (name) => (name ? [", which was ", { name }] : []);

// Each action in the past tense, and its verb for a refused try.
const said = {
  "account.created": () => ["created the account"],
  "account.requeued": () => ["had all used secrets delivered again"],
  "account.read": () => ["read the account"],
  "secret.created": (e) => ["created the secret ", secret(e)],
  "secret.updated": (e) => ["renamed the secret ", { name: e.from?.name ?? "" }, " to ", secret(e)],
  "secret.deleted": (e) => ["deleted the secret ", secret(e), ...forGood(e)],
  "secret.restored": (e) => ["restored the secret ", secret(e), ...formerly(e.from?.name)],
  "secret.purged": (e) => ["removed the deleted secret ", secret(e)],
  "secret.exported": (e) => ["read all values of ", secret(e)],
  "secret.compared": (e) => ["compared the values of ", secret(e)],
  "secret.deployed": (e) => ["delivered ", secret(e), " to its services"],
  "secret.undeployed": (e) => ["removed the bundle of ", secret(e)],
  "secret.drifted": (e) => ["found the bundle of ", secret(e), ` changed (${e.changed.join(", ")})`],
  "item.created": (e) => ["added ", item(e), " to ", secret(e)],
  "item.updated": (e) => [
    ...(e.from?.key ? ["renamed ", { name: e.from.key }, " to ", item(e)] : []),
    ...(e.from?.key && e.changed.includes("value") ? [", and changed its value"] : []),
    ...(e.from?.key ? [] : ["changed the value of ", item(e)]), ...inSecret(e),
  ],
  "item.rolled_back": (e) => [`made version ${e.version} of `, item(e), " current again", ...inSecret(e)],
  "item.deleted": (e) => ["deleted ", item(e), ...(e.secret ? [" from ", secret(e)] : []), ...forGood(e)],
  "item.restored": (e) => ["restored ", item(e), ...inSecret(e), ...formerly(e.from?.key)],
  "item.purged": (e) => ["removed the deleted item ", item(e), ...inSecret(e)],
  "items.changed": (e) => ["changed several items", ...inSecret(e)],
  "version.deleted": (e) => [`deleted version ${e.version} of `, item(e), ...inSecret(e)],
  "item.revealed": (e) => ["revealed ", item(e), ...inSecret(e)],
  "service.created": (e) => ["added the service ", named(e.service, "a service"), ", which uses ", secret(e)],
  "service.updated": (e) => [
    "changed the service ", named(e.service, "a service"), ` (${e.changed.join(", ")})`, ", which uses ", secret(e),
  ],
  "service.deleted": (e) => ["deleted the service ", named(e.service, "a service"), ", which used ", secret(e)],
  "user.created": (e) => [
    `added the ${e.to?.kind ?? "user"} `, named(e.subject_user, "a user"),
    `, who may ${spaced(e.to?.permissions ?? "")}`,
  ],
  "user.updated": (e) => ["changed ", whom(e), ...fields(e)],
  "user.deleted": (e) => ["deleted ", whom(e)],
  "key.created": (e) => (e.to?.kind === "invited" ? ["made an invitation", ...forWhom(e)]
    : ["made the key ", named(e.subject_key, "a key"), ...forWhom(e)]),
  "key.updated": (e) => ["changed the key ", named(e.subject_key, "a key"), ...forWhom(e), ...fields(e)],
  "key.deleted": (e) => ["revoked the key ", named(e.subject_key, "a key"), ...forWhom(e)],
};

const tried = {
  "account.read": "read the account", "secret.read": "list or read secrets", "item.read": "list items",
  "service.read": "list or read services", "user.read": "list or read users", "key.read": "list or read keys",
  "event.read": "read the log", "item.revealed": "reveal a value", "item.created": "add an item",
  "item.updated": "change an item", "item.deleted": "delete an item", "item.restored": "restore an item",
  "item.rolled_back": "make an older version current", "items.changed": "change several items",
  "version.deleted": "delete a version", "secret.restored": "restore a secret", "secret.exported": "read all values",
  "secret.compared": "compare secrets", "secret.created": "create a secret",
  "secret.updated": "rename a secret", "secret.deleted": "delete a secret", "service.created": "add a service",
  "service.updated": "change a service", "service.deleted": "delete a service", "user.created": "add a user",
  "user.updated": "change a user", "user.deleted": "delete a user", "key.created": "make a key",
  "key.updated": "change a key", "key.deleted": "revoke a key",
};

// who is the one who acted. What no user did, an operator or the system did.
const who = (event) => (event.user ? named(event.user, "A user")
  : /^(secret|item)\./.test(event.action) ? "The system"
    : event.action === "key.deleted" ? "An operator or the system" : "An operator");

// sentence returns the parts of an event's sentence: texts and {name}, without its time.
export function sentence(event) {
  if (event.outcome === "allowed") return [who(event), " ", ...(said[event.action]?.(event) ?? [event.action])];
  const how = event.outcome === "throttled" ? "was throttled" : "was refused";
  const times = event.tries > 1 ? ` ${event.tries} times` : "";
  return [who(event), ` ${how}${times}: ${tried[event.action] ?? event.action}`, ...inSecret(event)];
}

// labels are the actions to filter by.
export const labels = {
  "item.revealed": "Reveals", "item.created": "Items added", "item.updated": "Items changed",
  "item.deleted": "Items deleted", "item.restored": "Items restored", "item.purged": "Items removed for good",
  "item.rolled_back": "Versions made current", "items.changed": "Several items changed",
  "version.deleted": "Versions deleted",
  "secret.created": "Secrets created", "secret.updated": "Secrets renamed", "secret.deleted": "Secrets deleted",
  "secret.restored": "Secrets restored", "secret.purged": "Secrets removed for good",
  "secret.exported": "Reads of all values", "secret.compared": "Comparisons",
  "secret.deployed": "Deliveries", "secret.undeployed": "Removed bundles", "secret.drifted": "Changed bundles",
  "service.created": "Services added", "service.updated": "Services changed", "service.deleted": "Services deleted",
  "user.created": "Users added", "user.updated": "Users changed", "user.deleted": "Users deleted",
  "key.created": "Keys made", "key.updated": "Keys changed", "key.deleted": "Keys revoked",
};

// days counts events by day, oldest first, of a number of days up to now. Days are those of this clock's zone.
export function days(events, number, now = new Date()) {
  const day = (time) => {
    const d = new Date(time);
    return new Date(d.getFullYear(), d.getMonth(), d.getDate()).getTime();
  };
  const counted = Array.from({ length: number }, (_, i) =>
    ({ at: new Date(now.getFullYear(), now.getMonth(), now.getDate() - (number - 1 - i)), count: 0 }));
  const places = new Map(counted.map((d, i) => [d.at.getTime(), i]));
  for (const event of events) {
    const place = places.get(day(event.at));
    if (place !== undefined) counted[place].count++;
  }
  return counted;
}
