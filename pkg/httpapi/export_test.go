package httpapi

import "goblins-secrets/pkg/secrets"

// Reads are the readers of a body's field.
var Reads = map[string]func(body, string) secrets.Field{
	"list": body.list, "nullableList": body.nullableList, "nullableOpaque": body.nullableOpaque,
	"nullableInteger": body.nullableInteger, "boolean": body.boolean,
}

// ReadBody reads the body of a request.
var ReadBody = readBody
