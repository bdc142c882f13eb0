// Package client is a Go client of the HTTP API of Goblins Secrets. docs/api.md describes the API.
//
// A [Client] is safe for concurrent use. Each method is one operation. Its error is an [*Error], unless it says
// otherwise. Lists are iterators that read a page when it is needed; an error is their last element.
//
// # Repeated requests
//
// A request that was certainly not done is repeated: no connection could be made, or the answer was a 429.
// Between two tries the client waits for the time in Retry-After, or none, plus a random part of an exponential
// backoff. It returns the error at once if the limit of tries, [WithMaxWait] or the context's deadline does not
// allow another one.
//
// An answer is lost if the connection is cut after it was made, if the try takes too long, if the body is cut or
// malformed, or if the status is 5xx. The request may have been done or not. What follows depends on it:
//
//   - A read is repeated.
//   - A reveal is charged and recorded, and is never repeated. [IsUncertain] is true.
//   - A create looks for the name or key. If it is free, the create is repeated: names are unique, so two creates
//     cannot both succeed. If it is taken, by this call or by another client, [IsUncertain] is true, and
//     [Error.Found] has the object.
//   - An update looks at the object. If it is as wanted, the update returns it. If it is as the caller has read
//     it, the update is repeated. Otherwise [IsUncertain] is true, and [Error.Found] has the object. A changed
//     value cannot be seen without a reveal, so it never counts as wanted. If the first request may still be on
//     its way, the update of a value looks after 30 seconds, or is not repeated if the context ends before. Only an
//     error of the API itself, an object with a detail, means that the request is not on its way.
//   - A delete looks for the object. If it exists, the delete is repeated: ids are never used again. If it is
//     gone, by this call or by another client, both [IsUncertain] and [IsNotFound] are true. A nil error always
//     means that the server confirmed this deletion.
//
// After a lost answer, each error of the same call is uncertain, also a definite refusal of a repeated request:
// the first request may have been done, or may still be on its way.
//
// The client sends no If-Match. A repeated update can therefore overwrite a change that another client makes between
// the look and the repeat. A first update of other fields than a value, such as a rename, can also still be on its
// way after a later try or look has returned success. When it arrives, it undoes what another client has changed
// since then.
//
// # No cache
//
// The client keeps no values, least of all on disk:
//
//   - A revoked key must stop working at once. A cached value would outlive it.
//   - Neither the budget of reveals nor the audit trail sees the reading of a copy.
//   - A file of plaintext values is the .env file that the product replaces.
//
// A program keeps a value in memory for as long as it needs it. A service that must start while the API is
// unavailable reads its bundle from Secrets Manager: docs/services.md.
package client
