package dynamo

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"goblins-secrets/pkg/delivery"
	"goblins-secrets/pkg/secrets"
)

// Used implements delivery.UsedSecrets.
func (s *Store) Used(ctx context.Context, after delivery.Place, limit int) ([]delivery.Place, error) {
	in := s.keysOf(usedPK)
	in.Limit = aws.Int32(int32(limit))
	if after != (delivery.Place{}) {
		in.ExclusiveStartKey = marshal(usedKey(after.AccountID, after.SecretID))
	}
	out, err := s.client.Query(ctx, in)
	if err != nil {
		return nil, translate("Query", err)
	}
	found := make([]delivery.Place, len(out.Items))
	for i, item := range out.Items {
		row, err := unmarshal[key](item)
		if err != nil {
			return nil, err
		}
		if found[i], err = place(row.SK); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// CountUsed implements delivery.UsedSecrets.
func (s *Store) CountUsed(ctx context.Context) (int, error) {
	in := s.allOf(usedPK)
	in.Select = types.SelectCount
	return s.countRows(ctx, in)
}

// Round implements delivery.UsedSecrets.
func (s *Store) Round(ctx context.Context, name string) (delivery.Round, error) {
	row, err := get[roundRow](ctx, s, roundKey(name))
	if errors.Is(err, secrets.ErrNotFound) {
		return delivery.Round{}, nil
	}
	if err != nil {
		return delivery.Round{}, err
	}
	var p parser
	r := delivery.Round{Started: p.time(row.Started), Done: row.Done, Count: row.Count, Ended: row.Ended}
	if row.After != "" {
		r.After, err = place(row.After)
	}
	return r, errors.Join(p.err, err)
}

// PutRound implements delivery.UsedSecrets.
func (s *Store) PutRound(ctx context.Context, name string, r delivery.Round) error {
	row := roundRow{key: roundKey(name), Started: timeText(r.Started), Done: r.Done, Count: r.Count, Ended: r.Ended}
	if r.After != (delivery.Place{}) {
		row.After = usedKey(r.After.AccountID, r.After.SecretID).SK
	}
	_, err := s.client.PutItem(ctx, &dynamodb.PutItemInput{TableName: &s.table, Item: marshal(row)})
	return translate("PutItem", err)
}

// place decodes a sort key <a>#<s>.
func place(sk string) (delivery.Place, error) {
	var p parser
	var at delivery.Place
	p.lastIDs("#"+sk, &at.AccountID, &at.SecretID)
	return at, p.err
}
