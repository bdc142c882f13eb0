package gateway

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/google/uuid"

	"goblins-secrets/pkg/delivery"
	"goblins-secrets/pkg/secrets"
)

// CreateAccountRequest is the event of create-account.
type CreateAccountRequest struct {
	Name string `json:"name"`
}

// CreateAccountResponse is the response of create-account. APIKey is shown only here.
type CreateAccountResponse struct {
	AccountID       string `json:"account_id"`
	Name            string `json:"name"`
	DefaultSecretID string `json:"default_secret_id"`
	UserID          string `json:"user_id"`
	KeyID           string `json:"key_id"`
	APIKey          string `json:"api_key"`
}

// StartCreateAccount serves CreateAccount as a Lambda function that operators
// invoke with IAM. It does not return.
func StartCreateAccount(m *secrets.Manager) { lambda.Start(CreateAccount(m)) }

// CreateAccount creates an account. A name that is taken is an error.
func CreateAccount(m *secrets.Manager) func(context.Context, CreateAccountRequest) (CreateAccountResponse, error) {
	return func(ctx context.Context, in CreateAccountRequest) (CreateAccountResponse, error) {
		made, err := m.CreateAccount(ctx, secrets.Text(in.Name))
		if err != nil {
			return CreateAccountResponse{}, err
		}
		return CreateAccountResponse{
			AccountID: made.Account.ID.String(), Name: made.Account.Name,
			DefaultSecretID: made.Account.DefaultSecretID.String(),
			UserID:          made.UserID.String(), KeyID: made.KeyID.String(), APIKey: made.Key,
		}, nil
	}
}

// RedeploySecretsRequest is the event of redeploy-secrets: a schedule's event, which it
// ignores, or an operator's.
type RedeploySecretsRequest struct {
	All    bool   `json:"all"`    // every secret that a service uses, not only the outbox
	Cursor string `json:"cursor"` // of the answer before, to go on
}

// RedeploySecretsResponse is the response of redeploy-secrets.
type RedeploySecretsResponse struct {
	Waiting int `json:"waiting"` // secrets in the outbox
	// Cursor is where to go on with all. Empty: all used secrets are in the outbox, or were.
	Cursor string `json:"cursor,omitempty"`
}

// StartRedeploySecrets serves RedeploySecrets as a Lambda function on a schedule, which
// operators may also invoke. It does not return.
func StartRedeploySecrets(s *delivery.Sweeper) { lambda.Start(RedeploySecrets(s)) }

// RedeploySecrets requeues the outbox, so that the stream calls deploy-secret again. For all, it puts
// used secrets into the outbox, for at most 45 seconds. The schedule goes on from there.
func RedeploySecrets(s *delivery.Sweeper) func(context.Context, RedeploySecretsRequest) (RedeploySecretsResponse, error) {
	return func(ctx context.Context, in RedeploySecretsRequest) (RedeploySecretsResponse, error) {
		if !in.All {
			waiting, err := s.Sweep(ctx)
			return RedeploySecretsResponse{Waiting: waiting}, err
		}
		var after delivery.Place
		if in.Cursor != "" {
			at, err := parsePlace(in.Cursor)
			if err != nil {
				return RedeploySecretsResponse{}, fmt.Errorf("the cursor is not one of an answer: %w", err)
			}
			after = at
		}
		next, waiting, err := s.RequeueAll(ctx, after)
		out := RedeploySecretsResponse{Waiting: waiting}
		if next != (delivery.Place{}) {
			out.Cursor = next.AccountID.String() + "#" + next.SecretID.String()
		}
		return out, err
	}
}

// CheckBundlesResponse is the response of check-bundles.
type CheckBundlesResponse struct {
	Looked int `json:"looked"` // bundles that were looked at
	Differ int `json:"differ"` // those that are not as they were delivered
}

// StartCheckBundles serves CheckBundles as a Lambda function on a schedule. It does not return.
func StartCheckBundles(c *delivery.Checker) { lambda.Start(CheckBundles(c)) }

// CheckBundles looks at the next bundles of a round. It has no input.
func CheckBundles(c *delivery.Checker) func(context.Context) (CheckBundlesResponse, error) {
	return func(ctx context.Context) (CheckBundlesResponse, error) {
		looked, differ, err := c.Check(ctx)
		return CheckBundlesResponse{looked, differ}, err
	}
}

// PurgeSecretsResponse is the response of purge-secrets.
type PurgeSecretsResponse struct {
	Finished int `json:"finished"` // secrets whose children are all removed
}

// StartPurgeSecrets serves PurgeSecrets as a Lambda function on a schedule. It
// does not return.
func StartPurgeSecrets(m *secrets.Manager) { lambda.Start(PurgeSecrets(m)) }

// PurgeSecrets removes the children of deleted secrets. It has no input.
func PurgeSecrets(m *secrets.Manager) func(context.Context) (PurgeSecretsResponse, error) {
	return func(ctx context.Context) (PurgeSecretsResponse, error) {
		finished, err := m.PurgeSecrets(ctx)
		return PurgeSecretsResponse{Finished: finished}, err
	}
}

// IssueKeyRequest is the event of issue-key.
type IssueKeyRequest struct {
	Account string `json:"account"` // its name or id
	UserID  string `json:"user_id"` // a user with admin; empty: the oldest one
}

// IssueKeyResponse is the response of issue-key. APIKey is shown only here.
type IssueKeyResponse struct {
	AccountID string `json:"account_id"`
	UserID    string `json:"user_id"`
	KeyID     string `json:"key_id"`
	APIKey    string `json:"api_key"`
}

// StartIssueKey serves IssueKey as a Lambda function that operators invoke with IAM. It does not return.
func StartIssueKey(m *secrets.Manager) { lambda.Start(IssueKey(m)) }

// IssueKey makes a key of a user with admin.
func IssueKey(m *secrets.Manager) func(context.Context, IssueKeyRequest) (IssueKeyResponse, error) {
	return func(ctx context.Context, in IssueKeyRequest) (IssueKeyResponse, error) {
		k, err := m.IssueKey(ctx, in.Account, in.UserID)
		if err != nil {
			return IssueKeyResponse{}, err
		}
		return IssueKeyResponse{k.AccountID.String(), k.UserID.String(), k.ID.String(), k.Text}, nil
	}
}

// RevokeKeyRequest is the event of revoke-key.
type RevokeKeyRequest struct {
	KeyID string `json:"key_id"`
	Made  bool   `json:"made"` // also the keys that it made, directly or through others
}

// RevokeKeyResponse is the response of revoke-key.
type RevokeKeyResponse struct {
	Revoked string `json:"revoked"` // the key's id
}

// StartRevokeKey serves RevokeKey as a Lambda function that operators invoke with IAM. It does not return.
func StartRevokeKey(m *secrets.Manager) { lambda.Start(RevokeKey(m)) }

// RevokeKey deletes a key of any account. An id that no account has is an error.
func RevokeKey(m *secrets.Manager) func(context.Context, RevokeKeyRequest) (RevokeKeyResponse, error) {
	return func(ctx context.Context, in RevokeKeyRequest) (RevokeKeyResponse, error) {
		if err := m.RevokeKey(ctx, in.KeyID, in.Made); err != nil {
			return RevokeKeyResponse{}, err
		}
		return RevokeKeyResponse{in.KeyID}, nil
	}
}

// ListPeopleRequest is the event of list-people.
type ListPeopleRequest struct {
	Account string `json:"account"` // its name or id
	Cursor  string `json:"cursor"`  // of the answer before, to go on
}

// ListPeopleResponse is the response of list-people: up to 50 users, oldest first.
type ListPeopleResponse struct {
	AccountID string         `json:"account_id"`
	Users     []ListedPerson `json:"users"`
	Cursor    string         `json:"cursor,omitempty"` // where to go on; empty: these were the last
}

// ListedPerson is a user with its keys.
type ListedPerson struct {
	ID          string      `json:"id"`
	Kind        string      `json:"kind"`
	Name        string      `json:"name"`
	Permissions []string    `json:"permissions"`
	Secrets     int         `json:"secrets,omitempty"` // how many the user is limited to; 0: not limited
	Keys        []ListedKey `json:"keys"`
}

// ListedKey is a key without its text.
type ListedKey struct {
	ID          string     `json:"id"`
	Name        string     `json:"name"`
	Prefix      string     `json:"prefix"`
	Invitation  bool       `json:"invitation,omitempty"`
	Permissions []string   `json:"permissions"` // effective
	CreatedAt   time.Time  `json:"created_at"`
	ExpiresAt   *time.Time `json:"expires_at,omitempty"`
	LastUsedAt  *time.Time `json:"last_used_at,omitempty"`
	MadeBy      string     `json:"made_by,omitempty"` // the key that made it; empty: an operator
}

// StartListPeople serves ListPeople as a Lambda function that operators invoke with IAM. It does not return.
func StartListPeople(m *secrets.Manager) { lambda.Start(ListPeople(m)) }

// peoplePage is how many users an answer of list-people has: with 20 keys each it stays far below 6 MB.
const peoplePage = 50

// ListPeople lists the users of an account, with their keys. It leaves no event.
func ListPeople(m *secrets.Manager) func(context.Context, ListPeopleRequest) (ListPeopleResponse, error) {
	return func(ctx context.Context, in ListPeopleRequest) (ListPeopleResponse, error) {
		var from secrets.Cursor
		if in.Cursor != "" {
			var err error
			if from, err = secrets.ParseCursor(in.Cursor); err != nil {
				return ListPeopleResponse{}, err
			}
		}
		page, err := m.ListPeople(ctx, in.Account, from, peoplePage)
		if err != nil {
			return ListPeopleResponse{}, err
		}
		out := ListPeopleResponse{AccountID: page.AccountID.String(), Users: []ListedPerson{}}
		if page.Next != nil {
			out.Cursor = page.Next.String()
		}
		for _, u := range page.Users {
			person := ListedPerson{
				ID: u.ID.String(), Kind: string(u.Kind), Name: u.Name, Permissions: u.Rights.Permissions.Names(),
				Secrets: len(u.Rights.Secrets), Keys: []ListedKey{},
			}
			for _, k := range page.Keys[u.ID] {
				person.Keys = append(person.Keys, newListedKey(k))
			}
			out.Users = append(out.Users, person)
		}
		return out, nil
	}
}

func newListedKey(k secrets.Key) ListedKey {
	listed := ListedKey{
		ID: k.ID.String(), Name: k.Name, Prefix: k.Prefix, Invitation: k.Invitation, Permissions: k.Effective().Permissions.Names(),
		CreatedAt: k.CreatedAt,
	}
	if !k.ExpiresAt.IsZero() {
		listed.ExpiresAt = &k.ExpiresAt
	}
	if !k.LastUsedAt.IsZero() {
		listed.LastUsedAt = &k.LastUsedAt
	}
	if k.MadeBy != uuid.Nil {
		listed.MadeBy = k.MadeBy.String()
	}
	return listed
}

// DeleteExpiredKeysResponse is the response of delete-expired-keys.
type DeleteExpiredKeysResponse struct {
	Deleted int `json:"deleted"`
}

// StartDeleteExpiredKeys serves DeleteExpiredKeys as a Lambda function on a schedule. It does not return.
func StartDeleteExpiredKeys(m *secrets.Manager) { lambda.Start(DeleteExpiredKeys(m)) }

// DeleteExpiredKeys deletes keys that expired long ago. It has no input.
func DeleteExpiredKeys(m *secrets.Manager) func(context.Context) (DeleteExpiredKeysResponse, error) {
	return func(ctx context.Context) (DeleteExpiredKeysResponse, error) {
		deleted, err := m.DeleteExpiredKeys(ctx)
		return DeleteExpiredKeysResponse{deleted}, err
	}
}
