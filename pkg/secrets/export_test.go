package secrets

// The checks of fields that have many cases.
var (
	ShortName        = Field.shortName
	Email            = Field.email
	Choice           = Field.choice
	CheckPermissions = Field.permissions
	IDs              = Field.ids
	Moment           = Field.moment
	Limit            = Field.limit
	Boolean          = Field.boolean
)
