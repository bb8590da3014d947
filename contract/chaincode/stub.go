package chaincode

import (
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/hyperledger/fabric-chaincode-go/v2/shim"

	"gxcoin.money/gx/contract"
)

// stub implements contract.Stub for one transaction on a peer.
type stub struct {
	fabric shim.ChaincodeStubInterface
	time   time.Time
	caller contract.Caller
	fault  error // the first failure of the peer

	limited, wrote bool // a limited scan was made; a key was written
}

var _ contract.Stub = (*stub)(nil)

func newStub(fabric shim.ChaincodeStubInterface) (*stub, error) {
	at, err := fabric.GetTxTimestamp()
	if err != nil {
		return nil, fmt.Errorf("the proposal's timestamp: %w", err)
	}
	by, err := caller(fabric)
	if err != nil {
		return nil, err
	}
	return &stub{fabric: fabric, time: at.AsTime(), caller: by}, nil
}

func (s *stub) TxID() string            { return s.fabric.GetTxID() }
func (s *stub) Time() time.Time         { return s.time }
func (s *stub) Channel() string         { return s.fabric.GetChannelID() }
func (s *stub) Caller() contract.Caller { return s.caller }

func (s *stub) Get(key string) ([]byte, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	value, err := s.fabric.GetState(key)
	if len(value) == 0 {
		value = nil
	}
	return value, s.failed(err)
}

func (s *stub) GetMany(keys []string) ([][]byte, error) {
	for _, key := range keys {
		if err := checkKey(key); err != nil {
			return nil, err
		}
	}
	values, err := s.fabric.GetMultipleStates(keys...)
	if err := s.failed(err); err != nil {
		return nil, err
	}
	for i, v := range values {
		if len(v) == 0 {
			values[i] = nil
		}
	}
	return values, nil
}

func (s *stub) Put(key string, value []byte) error {
	if err := checkKey(key); err != nil {
		return err
	}
	if len(value) == 0 {
		return fmt.Errorf("the value of key %q is empty", key)
	}
	s.wrote = true
	return s.failed(s.fabric.PutState(key, value))
}

func (s *stub) Delete(key string) error {
	if err := checkKey(key); err != nil {
		return err
	}
	s.wrote = true
	return s.failed(s.fabric.DelState(key))
}

func (s *stub) SetEvent(name string, payload []byte) error {
	if name == "" || !utf8.ValidString(name) {
		return fmt.Errorf("%q is no name of an event", name)
	}
	return s.failed(s.fabric.SetEvent(name, payload))
}

// failed keeps the first failure of the peer.
func (s *stub) failed(err error) error {
	if err != nil && s.fault == nil {
		s.fault = err
	}
	return err
}

// checkKey accepts what Fabric can store.
func checkKey(key string) error {
	switch {
	case key == "":
		return errors.New("a key is empty")
	case !utf8.ValidString(key):
		return fmt.Errorf("the key %q is not valid UTF-8", key)
	}
	return nil
}
