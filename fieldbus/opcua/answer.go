// Answers: what a server says, service by service; only what is used of it is kept.

package opcua

import (
	"errors"
	"fmt"

	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/ua"
)

// errAnswer is why a connection is given up whose server sends what cannot be.
var errAnswer = errors.New("its bytes are no answer of OPC UA")

// fault is a service that a server refused as a whole.
type fault ua.StatusCode

func (f fault) Error() string {
	return fmt.Sprintf("the server refuses the service: %v", ua.StatusCode(f))
}

// open reads the head of an answer of the type wanted. A ServiceFault comes as a fault.
func answer(body []byte, want uint32) (*cursor, error) {
	c := &cursor{b: body}
	kind := cursor{b: c.nodeID()}
	var got uint32
	switch kind.u8() {
	case 1:
		if kind.u8() == 0 {
			got = uint32(kind.u16())
		}
	case 2:
		if kind.u16() == 0 {
			got = kind.u32()
		}
	}
	c.take(12) // time and handle
	result := c.u32()
	c.diagnostics()
	for range c.count(4) {
		c.bytes()
	}
	c.object()
	switch {
	case c.bad || kind.bad:
		return nil, errAnswer
	case result&0x8000_0000 != 0:
		return nil, fault(result)
	case got == id.ServiceFault_Encoding_DefaultBinary:
		return nil, fault(ua.StatusBadUnexpectedError)
	case got != want:
		return nil, fmt.Errorf("%w: type %d and not %d", errAnswer, got, want)
	}
	return c, nil
}

// done gives what was wrong with an answer, all of which was read.
func (c *cursor) done() error {
	if c.bad {
		return errAnswer
	}
	return nil
}

// readAnswer reads the values of a Read, which are to be as many as out has places. They lie in body.
func readAnswer(body []byte, out []dataValue) error {
	c, err := answer(body, id.ReadResponse_Encoding_DefaultBinary)
	if err != nil {
		return err
	}
	if n := c.count(1); n != len(out) {
		return fmt.Errorf("%w: %d values for %d", errAnswer, n, len(out))
	}
	for i := range out {
		c.dataValue(&out[i], 0)
	}
	c.diagnosticsList()
	return c.done()
}

// statusAnswer reads an answer of one status code, such as that of a Write.
func statusAnswer(body []byte, want uint32) (uint32, error) {
	c, err := answer(body, want)
	if err != nil {
		return 0, err
	}
	if n := c.count(4); n != 1 {
		return 0, fmt.Errorf("%w: %d results for one", errAnswer, n)
	}
	status := c.u32()
	c.diagnosticsList()
	return status, c.done()
}

// offer is one way in that a server offers: an EndpointDescription.
type offer struct {
	app    string // its application URI
	cert   []byte
	mode   uint32
	policy string
	tcp    bool
	tokens []token
}

// token is one kind of user that it takes.
type token struct {
	id     string
	kind   uint32
	policy string
}

// maxOffers is how many endpoints, and tokens of each, are looked at; real servers have some dozens.
const maxOffers = 256

// offersAnswer reads the endpoints of a server.
func offersAnswer(body []byte) ([]offer, error) {
	c, err := answer(body, id.GetEndpointsResponse_Encoding_DefaultBinary)
	if err != nil {
		return nil, err
	}
	return c.offers(), c.done()
}

func (c *cursor) offers() []offer {
	var list []offer
	for range c.count(40) {
		o := offer{}
		c.bytes() // the URL, which often has a name that means something only to the server
		o.app = string(c.bytes())
		c.bytes()
		c.localized()
		c.take(4)
		c.bytes()
		c.bytes()
		for range c.count(4) {
			c.bytes()
		}
		o.cert = append(o.cert, c.bytes()...)
		o.mode = c.u32()
		o.policy = string(c.bytes())
		for range c.count(20) {
			t := token{id: string(c.bytes()), kind: c.u32()}
			c.bytes()
			c.bytes()
			t.policy = string(c.bytes())
			if len(o.tokens) < maxOffers {
				o.tokens = append(o.tokens, t)
			}
		}
		profile := string(c.bytes())
		o.tcp = profile == "" || profile == "http://opcfoundation.org/UA-Profile/Transport/uatcp-uasc-uabinary"
		c.take(1)
		if c.bad {
			return nil
		}
		if len(list) < maxOffers {
			list = append(list, o)
		}
	}
	return list
}

// created is what a CreateSession gave.
type created struct {
	token     []byte // a NodeId
	timeout   float64
	nonce     []byte
	cert      []byte
	offers    []offer
	signature []byte
}

func createdAnswer(body []byte) (*created, error) {
	c, err := answer(body, id.CreateSessionResponse_Encoding_DefaultBinary)
	if err != nil {
		return nil, err
	}
	r := &created{}
	c.nodeID()
	r.token = append(r.token, c.nodeID()...)
	r.timeout = c.float()
	r.nonce = append(r.nonce, c.bytes()...)
	r.cert = append(r.cert, c.bytes()...)
	r.offers = c.offers()
	for range c.count(8) { // software certificates, which nobody uses
		c.bytes()
		c.bytes()
	}
	c.bytes()
	r.signature = append(r.signature, c.bytes()...)
	c.take(4)
	return r, c.done()
}
