package gateway

import (
	"context"
	"fmt"

	"github.com/aws/aws-lambda-go/lambda"

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
