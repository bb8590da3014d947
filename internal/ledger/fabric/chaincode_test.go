package fabric

import (
	"fmt"

	"gxcoin.money/gx/contract"
)

// counter is a chaincode whose function "add KEY" counts calls in a key and
// sends the transaction's id as an event.
func counter(s contract.Stub, function string, args []string) ([]byte, error) {
	if function != "add" {
		return nil, fmt.Errorf("NOT_FOUND: %s", function)
	}
	value, err := s.Get(args[0])
	if err != nil {
		return nil, err
	}
	value = append(value, 'x')
	if err := s.SetEvent("Added", []byte(s.TxID())); err != nil {
		return nil, err
	}
	return value, s.Put(args[0], value)
}
