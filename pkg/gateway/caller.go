package gateway

import (
	"bytes"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/uuid"

	"goblins-secrets/pkg/secrets"
)

// The authorizer's context has a caller as strings, which is all that API Gateway keeps. None is empty, because a gateway
// may drop those.
//
//	account_id, user_id, key_id   UUIDs
//	kind                          person, machine or invited
//	permissions                   names with "," between them, or none
//	secrets                       ids that the rights are limited to, with "," between them; none; or all
//	user_name, key_name           percent-encoded
//
// 50 ids take 1,850 bytes. A caller without any of these is no caller, but for the names, which decide nothing.
const (
	accountID   = "account_id"
	userID      = "user_id"
	keyID       = "key_id"
	kind        = "kind"
	permissions = "permissions"
	limitedTo   = "secrets"
	userName    = "user_name"
	keyName     = "key_name"

	none = "none"
	all  = "all"
)

// AuthorizerContext returns the context that a caller has behind the authorizer.
func AuthorizerContext(c secrets.Caller) map[string]any {
	return map[string]any{
		accountID: c.AccountID.String(), userID: c.UserID.String(), keyID: c.KeyID.String(), kind: string(c.Kind),
		permissions: permissionsText(c.Rights.Permissions), limitedTo: limitText(c.Rights),
		userName: url.QueryEscape(c.UserName), keyName: url.QueryEscape(c.KeyName),
	}
}

func permissionsText(p secrets.Permissions) string {
	if p == 0 {
		return none
	}
	return p.String()
}

func limitText(r secrets.Rights) string {
	if !r.Limited() {
		return all
	}
	if len(r.Secrets) == 0 {
		return none
	}
	ids := make([]string, len(r.Secrets))
	for i, id := range r.Secrets {
		ids[i] = id.String()
	}
	return strings.Join(ids, ",")
}

// caller reads the identity that the authorizer proved, and what it may do. It never reads a header.
func caller(rc events.APIGatewayProxyRequestContext) (secrets.Caller, bool) {
	c := secrets.Caller{SourceIP: rc.Identity.SourceIP, UserAgent: rc.Identity.UserAgent, RequestID: rc.RequestID}
	for name, into := range map[string]*string{userName: &c.UserName, keyName: &c.KeyName} {
		text, _ := rc.Authorizer[name].(string)
		*into, _ = url.QueryUnescape(text)
	}
	for name, id := range map[string]*uuid.UUID{accountID: &c.AccountID, userID: &c.UserID, keyID: &c.KeyID} {
		text, _ := rc.Authorizer[name].(string)
		var err error
		if *id, err = uuid.Parse(text); err != nil {
			return secrets.Caller{}, false
		}
	}
	text, _ := rc.Authorizer[kind].(string)
	switch c.Kind = secrets.Kind(text); c.Kind {
	case secrets.Person, secrets.Machine, secrets.Invited:
	default:
		return secrets.Caller{}, false
	}
	if text, _ = rc.Authorizer[permissions].(string); text != none {
		var err error
		if c.Rights.Permissions, err = secrets.ParsePermissions(strings.Split(text, ",")...); err != nil {
			return secrets.Caller{}, false
		}
	}
	switch text, _ = rc.Authorizer[limitedTo].(string); text {
	case all:
	case none:
		c.Rights.Secrets = []uuid.UUID{}
	default:
		for part := range strings.SplitSeq(text, ",") {
			id, err := uuid.Parse(part)
			if err != nil {
				return secrets.Caller{}, false
			}
			c.Rights.Secrets = append(c.Rights.Secrets, id)
		}
		slices.SortFunc(c.Rights.Secrets, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	}
	return c, true
}
