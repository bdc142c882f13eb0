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

// The changes of a history.
var (
	AddVersion     = History.add
	MakeCurrent    = History.current
	WithoutVersion = History.without
)

// Kept is an entry of a history.
type Kept struct {
	Number int64
	Slot   int
	Hour   int64
}

// KeptIn decodes a history.
func KeptIn(h History) (list []Kept) {
	for _, v := range h.list() {
		list = append(list, Kept{v.Version, v.Slot.Number, v.hour})
	}
	return list
}
