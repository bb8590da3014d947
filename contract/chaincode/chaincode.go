// Package chaincode runs contracts on Hyperledger Fabric: it adapts Fabric's
// stub to contract.Stub and serves the chaincode as an external service.
package chaincode

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/hyperledger/fabric-chaincode-go/v2/shim"
	"github.com/hyperledger/fabric-protos-go-apiv2/peer"
)

// Status codes of responses. A client tells a refusal of the contract, which is
// final, from a failure around it by the code alone.
const (
	Refused = 400
	Failed  = 500
)

// MetadataFunction is the query by which Fabric clients learn the contracts.
const MetadataFunction = "org.hyperledger.fabric:GetMetadata"

// adapter implements shim.Chaincode.
type adapter struct{ o Options }

var _ shim.Chaincode = adapter{}

// Init has nothing to do.
func (adapter) Init(shim.ChaincodeStubInterface) *peer.Response { return shim.Success(nil) }

// Invoke runs one transaction.
func (a adapter) Invoke(fabric shim.ChaincodeStubInterface) (response *peer.Response) {
	function, args := fabric.GetFunctionAndParameters()
	if function == MetadataFunction {
		return shim.Success(a.o.Metadata)
	}
	defer func() {
		if r := recover(); r != nil {
			a.o.Log.Error("the contract panicked", "function", function, "tx", fabric.GetTxID(), "panic", r, "stack", string(debug.Stack()))
			response = refusal(errors.New("INTERNAL: the contract panicked"))
		}
	}()
	s, err := newStub(fabric)
	if err != nil {
		return failure(err)
	}
	fabric.StartWriteBatch()
	result, err := a.o.Chaincode(s, function, args)
	switch {
	case s.fault != nil: // whatever the contract made of it
		a.o.Log.Error("the peer failed the contract", "function", function, "tx", s.TxID(), "err", s.fault)
		return failure(s.fault)
	case err != nil:
		return refusal(err)
	case s.limited && s.wrote:
		return refusal(fmt.Errorf("INTERNAL: %s writes after a limited scan, which is not checked at commit", function))
	}
	if err := fabric.FinishWriteBatch(); err != nil {
		return failure(err)
	}
	return shim.Success(result)
}

func refusal(err error) *peer.Response {
	return &peer.Response{Status: Refused, Message: strings.ToValidUTF8(err.Error(), "\uFFFD")}
}

func failure(err error) *peer.Response {
	return &peer.Response{Status: Failed, Message: strings.ToValidUTF8(err.Error(), "\uFFFD")}
}
