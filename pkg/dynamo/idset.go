package dynamo

import (
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/uuid"
)

// idSet is a list of ids on the wire: one binary of 16 bytes each, because as texts 100 ids would take a key's row two
// read units. nil, which is all secrets, is the text "*", so that a missing attribute is not taken for all.
type idSet []uuid.UUID

func (ids idSet) attribute() types.AttributeValue {
	if ids == nil {
		return text("*")
	}
	packed := make([]byte, 0, 16*len(ids))
	for _, id := range ids {
		packed = append(packed, id[:]...)
	}
	return &types.AttributeValueMemberB{Value: packed}
}

// MarshalDynamoDBAttributeValue implements attributevalue.Marshaler.
func (ids idSet) MarshalDynamoDBAttributeValue() (types.AttributeValue, error) {
	return ids.attribute(), nil
}

// UnmarshalDynamoDBAttributeValue implements attributevalue.Unmarshaler.
func (ids *idSet) UnmarshalDynamoDBAttributeValue(av types.AttributeValue) error {
	switch av := av.(type) {
	case *types.AttributeValueMemberS:
		if av.Value != "*" {
			return fmt.Errorf("a set of ids can't be %q", av.Value)
		}
		*ids = nil
		return nil
	case *types.AttributeValueMemberB:
		if len(av.Value)%16 != 0 {
			return fmt.Errorf("a set of ids has %d bytes", len(av.Value))
		}
		*ids = make(idSet, len(av.Value)/16)
		for i := range *ids {
			(*ids)[i] = uuid.UUID(av.Value[16*i:])
		}
		return nil
	}
	return fmt.Errorf("a set of ids can't be a %T", av)
}
