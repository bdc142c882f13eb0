package gateway

import (
	"context"

	"github.com/aws/aws-lambda-go/lambda"

	"goblins-secrets/pkg/secrets"
)

// CreateAccountRequest is the event of create-account.
type CreateAccountRequest struct {
	Name string `json:"name"`
}

// CreateAccountResponse is its answer. APIKey is shown here and never again.
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
func StartCreateAccount(svc *secrets.Service) { lambda.Start(CreateAccount(svc)) }

// CreateAccount makes an account; a name that is taken is an error.
func CreateAccount(svc *secrets.Service) func(context.Context, CreateAccountRequest) (CreateAccountResponse, error) {
	return func(ctx context.Context, in CreateAccountRequest) (CreateAccountResponse, error) {
		made, err := svc.CreateAccount(ctx, secrets.Text(in.Name))
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

// RedeploySecretsRequest is the event of redeploy-secrets: a schedule's, of which it
// needs nothing, or an operator's.
type RedeploySecretsRequest struct {
	All bool `json:"all"` // every secret that a service uses, not only what waits
}

// RedeploySecretsResponse is its answer.
type RedeploySecretsResponse struct {
	Waiting int `json:"waiting"` // secrets whose delivery waits, and is reminded of
}

// StartRedeploySecrets serves RedeploySecrets as a Lambda function on a schedule, which
// operators may also invoke. It does not return.
func StartRedeploySecrets(svc *secrets.Service) { lambda.Start(RedeploySecrets(svc)) }

// RedeploySecrets has deploy-secret called for what still waits.
func RedeploySecrets(svc *secrets.Service) func(context.Context, RedeploySecretsRequest) (RedeploySecretsResponse, error) {
	return func(ctx context.Context, in RedeploySecretsRequest) (RedeploySecretsResponse, error) {
		waiting, err := svc.RedeploySecrets(ctx, in.All)
		return RedeploySecretsResponse{Waiting: waiting}, err
	}
}

// PurgeSecretsResponse is the answer of purge-secrets.
type PurgeSecretsResponse struct {
	Finished int `json:"finished"` // secrets of which nothing is left
}

// StartPurgeSecrets serves PurgeSecrets as a Lambda function on a schedule. It
// does not return.
func StartPurgeSecrets(svc *secrets.Service) { lambda.Start(PurgeSecrets(svc)) }

// PurgeSecrets finishes what deletions of secrets left; it takes no input.
func PurgeSecrets(svc *secrets.Service) func(context.Context) (PurgeSecretsResponse, error) {
	return func(ctx context.Context) (PurgeSecretsResponse, error) {
		finished, err := svc.PurgeSecrets(ctx)
		return PurgeSecretsResponse{Finished: finished}, err
	}
}
