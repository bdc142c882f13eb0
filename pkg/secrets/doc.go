// Package secrets is the domain: accounts keep secrets, secrets hold items, and
// services use secrets. The package owns the rules of every operation and the order
// of its steps.
//
// It knows no HTTP, no DynamoDB and no KMS. It declares what it needs as ports
// ([Store], [Sealer], [Monitor]) and as fields (time, ids, randomness); package app
// supplies them. A file with a singular name (item.go) holds a type and its port; the
// file with the plural name (items.go) holds the operations on it. Every operation
// that a caller can ask for begins at the gate (gate.go).
//
// Glossary. Each word has one meaning, in the code, the API and the documentation:
//
//	account          the tenant; isolated from every other account
//	user             who acts; a person or a machine, identified by a UUID
//	key              an API key, "gob_…", that belongs to one user of one account
//	caller           the account, user and key behind a request, and what they may do
//	permissions      a set of list, reveal, write, audit and admin; none implies another
//	limit            the secrets that rights are for, if not all
//	rights           permissions with their limit; a key's effective ones are those that its user has too
//	invitation       a key that its user can only exchange, once, for a key of their own
//	maker            the key with which a user or key is written; the write rests on it
//	operator         who invokes functions with IAM, and has no key
//	secret           a named bundle of items
//	item             one key and its value; the value has versions
//	service          a workload that uses a secret: a record only, this product runs none
//	reveal           a read of one value: charged, recorded, then answered
//	budget           the reveals that a user has left in the current window
//	event            an entry of the append-only audit trail
//	bundle           all items of a secret as one JSON object
//	target           the place where bundles are delivered; services read them there
//	outbox           the secrets whose changes wait for their delivery (package delivery)
//	revision         the number of a secret's state; each change of its bundle raises it
//	version          the number of an item's value, or of a service's record
//	row              a DynamoDB item; "item" always means the one above
//	seal, open       encrypt and decrypt a value
//	wrap, unwrap     encrypt and decrypt a data key
//	data key         the AES key of one sealed value
//	master key       the KMS key that wraps data keys
//	associated data  the account, secret, item and version that a value is sealed under
package secrets
