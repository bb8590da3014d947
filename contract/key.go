package contract

import "strings"

// Fabric frames the object type and each attribute of a composite key by U+0000;
// no key in the range of a prefix reaches U+10FFFF.
const (
	separator = "\x00"
	endOfKeys = "\U0010FFFF"
)

// compositeKey returns the key that Fabric's CreateCompositeKey makes. With
// fewer attributes than the object's keys have it is the prefix of a range.
func compositeKey(objectType string, attributes ...string) string {
	n := 2 + len(objectType) + len(attributes)
	for _, a := range attributes {
		n += len(a)
	}
	var b strings.Builder
	b.Grow(n)
	b.WriteString(separator)
	b.WriteString(objectType)
	b.WriteString(separator)
	for _, a := range attributes {
		b.WriteString(a)
		b.WriteString(separator)
	}
	return b.String()
}

// attributes returns the attributes of a composite key.
func attributes(key string) []string {
	parts := strings.Split(strings.TrimSuffix(key, separator), separator)
	return parts[2:]
}
