package gateway

import (
	"context"

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
	All bool `json:"all"` // every secret that a service uses, not only the outbox
}

// RedeploySecretsResponse is the response of redeploy-secrets.
type RedeploySecretsResponse struct {
	Waiting int `json:"waiting"` // secrets in the outbox, which were requeued
}

// StartRedeploySecrets serves RedeploySecrets as a Lambda function on a schedule, which
// operators may also invoke. It does not return.
func StartRedeploySecrets(s *delivery.Sweeper) { lambda.Start(RedeploySecrets(s)) }

// RedeploySecrets requeues the outbox, so that the stream calls deploy-secret again.
func RedeploySecrets(s *delivery.Sweeper) func(context.Context, RedeploySecretsRequest) (RedeploySecretsResponse, error) {
	return func(ctx context.Context, in RedeploySecretsRequest) (RedeploySecretsResponse, error) {
		waiting, err := s.Sweep(ctx, in.All)
		return RedeploySecretsResponse{Waiting: waiting}, err
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
