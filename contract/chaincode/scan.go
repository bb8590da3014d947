package chaincode

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/hyperledger/fabric-chaincode-go/v2/shim"
)

const separator = "\x00" // begins a composite key and ends each of its parts

// Scan implements contract.Stub. A peer reads ahead, up to a hundred keys behind
// the last that yield saw, and of composite keys it can only read all below a
// common prefix: those keys are protected against phantoms too.
func (s *stub) Scan(start, end string, limit int, yield func(key string, value []byte) bool) error {
	if err := errors.Join(checkKey(start), checkKey(end)); err != nil {
		return fmt.Errorf("a scan needs both bounds: %w", err)
	}
	if start >= end {
		return nil
	}
	keys, err := s.keys(start, end, limit)
	if err != nil {
		return err
	}
	for seen := 0; keys.HasNext() && (limit <= 0 || seen < limit); {
		kv, err := keys.Next()
		if err := s.failed(err); err != nil {
			return err
		}
		if kv.GetKey() < start {
			continue
		}
		if seen++; kv.GetKey() >= end || !yield(kv.GetKey(), kv.GetValue()) {
			break
		}
	}
	return s.failed(keys.Close())
}

// keys returns an iterator over all of a range, and maybe more.
func (s *stub) keys(start, end string, limit int) (keys shim.StateQueryIteratorInterface, err error) {
	page := int32(min(max(limit, 0), math.MaxInt32))
	s.limited = s.limited || page > 0
	if !strings.HasPrefix(start, separator) {
		if page > 0 {
			keys, _, err = s.fabric.GetStateByRangeWithPagination(start, end, page, "")
		} else {
			keys, err = s.fabric.GetStateByRange(start, end)
		}
		return keys, s.failed(err)
	}
	objectType, attributes, err := commonPrefix(start, end)
	if err != nil {
		return nil, err
	}
	if page > 0 {
		keys, _, err = s.fabric.GetStateByPartialCompositeKeyWithPagination(objectType, attributes, page, start)
	} else {
		keys, err = s.fabric.GetStateByPartialCompositeKey(objectType, attributes)
	}
	return keys, s.failed(err)
}

// commonPrefix returns the parts that all composite keys of a range begin with.
func commonPrefix(start, end string) (objectType string, attributes []string, err error) {
	n := 0
	for n < min(len(start), len(end)) && start[n] == end[n] {
		n++
	}
	parts := strings.Split(start[:n], separator)
	if len(parts) < 3 {
		return "", nil, fmt.Errorf("the range from %q to %q covers more than one type of object", start, end)
	}
	return parts[1], parts[2 : len(parts)-1], nil
}
