package network

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	fabricpeer "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"gxcoin.money/gx/internal/fabric/connection"
)

// call runs a system chaincode of one peer, on a channel or, with an empty name,
// outside of any.
func call(ctx context.Context, conn *grpc.ClientConn, by *connection.Identity, channel, chaincode, function string, args ...[]byte) ([]byte, error) {
	proposal, err := proposal(by, channel, chaincode, append([][]byte{[]byte(function)}, args...))
	if err != nil {
		return nil, err
	}
	signature, err := by.Sign(proposal)
	if err != nil {
		return nil, err
	}
	answer, err := fabricpeer.NewEndorserClient(conn).ProcessProposal(ctx, &fabricpeer.SignedProposal{ProposalBytes: proposal, Signature: signature})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", function, err)
	}
	if r := answer.GetResponse(); r.GetStatus() != 200 {
		return nil, fmt.Errorf("%s: status %d: %s", function, r.GetStatus(), r.GetMessage())
	}
	return answer.GetResponse().GetPayload(), nil
}

func proposal(by *connection.Identity, channel, chaincode string, args [][]byte) ([]byte, error) {
	nonce := make([]byte, 24)
	rand.Read(nonce)
	id := sha256.Sum256(append(nonce[:len(nonce):len(nonce)], by.Creator...))
	name := &fabricpeer.ChaincodeID{Name: chaincode}
	m := marshaller{}
	input := m.bytes(&fabricpeer.ChaincodeInvocationSpec{ChaincodeSpec: &fabricpeer.ChaincodeSpec{
		Type: fabricpeer.ChaincodeSpec_GOLANG, ChaincodeId: name, Input: &fabricpeer.ChaincodeInput{Args: args},
	}})
	header := m.bytes(&common.Header{
		ChannelHeader: m.bytes(&common.ChannelHeader{
			Type: int32(common.HeaderType_ENDORSER_TRANSACTION), ChannelId: channel, TxId: hex.EncodeToString(id[:]), Timestamp: timestamppb.Now(),
			Extension: m.bytes(&fabricpeer.ChaincodeHeaderExtension{ChaincodeId: name}),
		}),
		SignatureHeader: m.bytes(&common.SignatureHeader{Creator: by.Creator, Nonce: nonce}),
	})
	return m.bytes(&fabricpeer.Proposal{
		Header: header, Payload: m.bytes(&fabricpeer.ChaincodeProposalPayload{Input: input}),
	}), m.err
}

// marshaller keeps the first error of nested messages.
type marshaller struct{ err error }

func (m *marshaller) bytes(message proto.Message) []byte {
	b, err := proto.Marshal(message)
	if m.err == nil {
		m.err = err
	}
	return b
}
