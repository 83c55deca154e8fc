// connect: a session with a server that is trusted, by exactly the policy asked for.

package opcua

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	gopcua "github.com/gopcua/opcua"
	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/ua"
	"github.com/gopcua/opcua/uacp"
	"github.com/gopcua/opcua/uasc"

	"github.com/batchkit/batchkit/fieldbus"
)

// Limits of a connection.
const (
	dialTime      = 5 * time.Second // to reach a server, where the context allows more
	callTime      = 5 * time.Second // for one service, where the context allows more
	sessionTime   = time.Minute     // without a request for so long a session is over, so that one that was lost does not block the server's last place
	closeTime     = time.Second     // for the farewell to a server
	maxMessage    = 1 << 20         // bytes of a message that is taken from a server
	maxChunk      = 0xFFFF          // bytes of a part of it
	maxChunks     = 64
	maxOffers     = 64 // endpoints and user tokens that a server may list
	maxNamespaces = 4096
)

// secured is what a Policy is in words of part 7, and the signature that a channel of it makes.
type secured struct {
	uri  string
	mode ua.MessageSecurityMode
	sign string
}

const rsaSHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"

var securedBy = [...]secured{
	None:                {ua.SecurityPolicyURINone, ua.MessageSecurityModeNone, ""},
	Basic256Sha256Sign:  {ua.SecurityPolicyURIBasic256Sha256, ua.MessageSecurityModeSign, rsaSHA256},
	Basic256Sha256:      {ua.SecurityPolicyURIBasic256Sha256, ua.MessageSecurityModeSignAndEncrypt, rsaSHA256},
	Aes128Sha256RsaOaep: {ua.SecurityPolicyURIAes128Sha256RsaOaep, ua.MessageSecurityModeSignAndEncrypt, rsaSHA256},
	Aes256Sha256RsaPss:  {ua.SecurityPolicyURIAes256Sha256RsaPss, ua.MessageSecurityModeSignAndEncrypt, "http://opcfoundation.org/UA/security/rsa-pss-sha2-256"},
}

// check tells what options cannot be, whatever the server.
func (o *DeviceOptions) check() error {
	switch {
	case int(o.Policy) >= len(securedBy):
		return fmt.Errorf("opcua: policy %d: there is none; must be one of %s", o.Policy, strings.Join(policyNames, ", "))
	case o.Policy != None && o.Identity == nil:
		return fmt.Errorf("opcua: policy %s needs an Identity: who we are; see NewIdentity", o.Policy)
	case o.Policy != None && o.Trust == nil:
		return fmt.Errorf("opcua: policy %s needs a Trust: which servers are believed; see LoadTrust", o.Policy)
	case o.Policy == None && o.User != "":
		return fmt.Errorf("opcua: user %.64q: policy none hides no password and proves no server; give another policy, or no user", o.User)
	case o.User == "" && o.Password != "":
		return errors.New("opcua: a password without a user; give both")
	}
	return nil
}

// endpointHost takes an endpoint apart: the host and port that are dialled.
func endpointHost(text string) (string, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "opc.tcp" || u.Hostname() == "" || len(text) > fieldbus.MaxText:
		return "", fmt.Errorf("opcua: endpoint %.100q: must be opc.tcp://HOST:PORT, with what the server has behind it", text)
	case u.User != nil:
		return "", fmt.Errorf("opcua: endpoint: holds a name or password; they belong into DeviceOptions")
	}
	port := u.Port()
	if port == "" {
		port = "4840"
	}
	return net.JoinHostPort(u.Hostname(), port), nil
}

// connect makes a session with the server at an endpoint, until ctx ends. It sends nothing but a wish for its list of endpoints before
// the server has shown a certificate that is trusted, and no password before the channel is known to be of the policy asked for.
//
// The session is made by hand and not by Client.Connect, for three reasons. Connect sends the password before one can look at the
// channel: the library believes the policy and the certificate that an answer to OpenSecureChannel names, so that somebody in the line
// can talk it down to plain text. Connect goes on with a nil session, and panics, where the signature of a server is wrong. And
// Connect's monitor gives the connection up when the server refuses one call. So no monitor runs, Client.State says nothing, and
// Client.Subscribe does not work: a session is over when a call returns io.EOF or runs into its time, and whoever subscribes sends
// PublishRequests himself. Client.Namespaces is empty; namespaces reads them.
//
// When the channel is renewed, after three quarters of the life that the server gives it, the library believes the answer again, which
// nothing here can see: who stands in the line can hold answers to OpenSecureChannel against policy and certificate.
func connect(ctx context.Context, endpoint string, o *DeviceOptions) (*gopcua.Client, error) {
	if o == nil {
		o = &DeviceOptions{}
	}
	if _, err := endpointHost(endpoint); err != nil {
		return nil, err
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	offer, err := chosen(ctx, endpoint, o)
	if err != nil {
		return nil, fmt.Errorf("opcua: %s: %w", endpoint, err)
	}
	opts := append(plain(), gopcua.SecurityPolicy(offer.SecurityPolicyURI), gopcua.SecurityMode(offer.SecurityMode))
	if o.Policy != None {
		// Of the options only this one names the server's certificate by its thumbprint, too. How one logs in is said by logIn.
		opts = append(opts, gopcua.Certificate(o.Identity.Certificate), gopcua.PrivateKey(o.Identity.Key),
			gopcua.SecurityFromEndpoint(offer, ua.UserTokenTypeAnonymous))
	}
	c, err := gopcua.NewClient(endpoint, opts...)
	if err != nil {
		return nil, fmt.Errorf("opcua: %s: %w", endpoint, err)
	}
	if err := session(ctx, c, o, offer); err != nil {
		disconnect(c)
		return nil, fmt.Errorf("opcua: %s: %w", endpoint, err)
	}
	return c, nil
}

// disconnect ends a session and its connection. It waits for a server that does not answer for a short while only.
func disconnect(c *gopcua.Client) {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	c.Close(ctx) // it gives nil, whatever became of it
}

// plain are the options of every connection. The library's own limits are one variable of all that do not bring theirs.
func plain() []gopcua.Option {
	return []gopcua.Option{gopcua.AutoReconnect(false), gopcua.RequestTimeout(callTime), gopcua.Dialer(&uacp.Dialer{
		Dialer:    &net.Dialer{Timeout: dialTime},
		ClientACK: &uacp.Acknowledge{ReceiveBufSize: maxChunk, SendBufSize: maxChunk, MaxChunkCount: maxChunks, MaxMessageSize: maxMessage},
	})}
}

// session opens channel and session.
func session(ctx context.Context, c *gopcua.Client, o *DeviceOptions, offer *ua.EndpointDescription) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("what it answers cannot be: %v", r)
		}
	}()
	if err := c.Dial(ctx); err != nil {
		return ended(ctx, err)
	}
	if o.Policy != None {
		_, sign, err := c.SecureChannel().NewSessionSignature(offer.ServerCertificate, nil)
		if want := securedBy[o.Policy].sign; err != nil || sign != want {
			return fmt.Errorf("its channel signs by %.100q and not by %q, as policy %s does: somebody in the line may have changed it", sign, want, o.Policy)
		}
	}
	s, err := c.CreateSession(ctx, logIn(o, offer))
	switch {
	case err != nil:
		return fmt.Errorf("no session: %w", ended(ctx, err))
	case s == nil:
		return errors.New("no session: its signature is not that of its certificate")
	}
	if err := c.ActivateSession(ctx, s); err != nil {
		return fmt.Errorf("it does not let %s in: %w", who(o), ended(ctx, err))
	}
	if c.Session() == nil {
		return errors.New("no session: its certificate cannot be read")
	}
	return nil
}

// who names the user in messages.
func who(o *DeviceOptions) string {
	if o.User == "" {
		return "anybody without a user"
	}
	return fmt.Sprintf("user %.64q", o.User)
}

// logIn says who we are and how we log in: by the one way that chosen has left in the offer.
func logIn(o *DeviceOptions, offer *ua.EndpointDescription) *uasc.SessionConfig {
	token := offer.UserIdentityTokens[0]
	s := &uasc.SessionConfig{SessionName: "batchkit", SessionTimeout: sessionTime, LocaleIDs: []string{"en"},
		ClientDescription: &ua.ApplicationDescription{ApplicationURI: "urn:batchkit", ProductURI: "urn:batchkit",
			ApplicationName: ua.NewLocalizedText("batchkit"), ApplicationType: ua.ApplicationTypeClient},
		UserIdentityToken: &ua.AnonymousIdentityToken{PolicyID: token.PolicyID}, UserTokenSignature: &ua.SignatureData{}}
	if o.Policy != None {
		s.ClientDescription.ApplicationURI = o.Identity.URI
	}
	if o.User != "" {
		s.UserIdentityToken = &ua.UserNameIdentityToken{PolicyID: token.PolicyID, UserName: o.User}
		s.AuthPassword, s.AuthPolicyURI = o.Password, token.SecurityPolicyURI
	}
	return s
}

// ended gives the reason for which a context has ended, if it has.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// chosen fetches what a server offers, and gives the endpoint with the policy asked for, with its certificate alone, and with the one
// way to log in that is taken.
func chosen(ctx context.Context, endpoint string, o *DeviceOptions) (*ua.EndpointDescription, error) {
	list, err := gopcua.GetEndpoints(ctx, endpoint, plain()...)
	if err != nil {
		return nil, fmt.Errorf("no list of endpoints: %w", ended(ctx, err))
	}
	if len(list) > maxOffers {
		return nil, fmt.Errorf("lists %d endpoints; %d at most are taken", len(list), maxOffers)
	}
	want, offered := securedBy[o.Policy], []string{}
	var wrong error
	for _, e := range list {
		if e.TransportProfileURI != "" && e.TransportProfileURI != transport {
			continue
		}
		if e.SecurityPolicyURI != want.uri || e.SecurityMode != want.mode {
			if name := offeredAs(e); !slices.Contains(offered, name) {
				offered = append(offered, name)
			}
			continue
		}
		// A server may list an endpoint once for each of its host names. Which one it calls it does not matter: we are there already.
		var offer *ua.EndpointDescription
		if offer, wrong = fits(e, o); wrong == nil {
			return offer, nil
		}
	}
	if wrong == nil {
		wrong = fmt.Errorf("does not offer policy %s; it has %s", o.Policy, strings.Join(offered, ", "))
	}
	return nil, wrong
}

// transport is what we speak; servers list endpoints of others, too.
const transport = "http://opcfoundation.org/UA-Profile/Transport/uatcp-uasc-uabinary"

// offeredAs names what an endpoint has as a Policy is named, or as the server does.
func offeredAs(e *ua.EndpointDescription) string {
	for i, s := range securedBy {
		if s.uri == e.SecurityPolicyURI && s.mode == e.SecurityMode {
			return policyNames[i]
		}
	}
	return fmt.Sprintf("%.100q (%s)", e.SecurityPolicyURI, e.SecurityMode)
}

// fits holds an endpoint against trust and user.
func fits(e *ua.EndpointDescription, o *DeviceOptions) (*ua.EndpointDescription, error) {
	offer := *e
	if o.Policy != None {
		chain, err := x509.ParseCertificates(e.ServerCertificate) // its own comes first
		if err != nil || len(chain) == 0 {
			return nil, errors.New("shows no certificate that can be read")
		}
		offer.ServerCertificate = chain[0].Raw
		if err := o.Trust.Check(offer.ServerCertificate, e.Server.ApplicationURI, time.Now()); err != nil {
			return nil, err
		}
	}
	if len(e.UserIdentityTokens) > maxOffers {
		return nil, fmt.Errorf("lists %d ways to log in; %d at most are taken", len(e.UserIdentityTokens), maxOffers)
	}
	kind := ua.UserTokenTypeAnonymous
	if o.User != "" {
		kind = ua.UserTokenTypeUserName
	}
	for _, t := range e.UserIdentityTokens {
		if t.TokenType == kind && (o.User == "" || hides(t, e)) {
			offer.UserIdentityTokens = []*ua.UserTokenPolicy{t}
			return &offer, nil
		}
	}
	if o.User == "" {
		return nil, errors.New("lets nobody in without a user; give user and password")
	}
	return nil, fmt.Errorf("takes no user with a password that is encrypted by policy %s", o.Policy)
}

// hides tells whether a password goes encrypted: by a policy of its own or of the channel that is one of ours, or in a channel that
// encrypts all.
func hides(t *ua.UserTokenPolicy, e *ua.EndpointDescription) bool {
	switch t.SecurityPolicyURI {
	case ua.SecurityPolicyURIBasic256Sha256, ua.SecurityPolicyURIAes128Sha256RsaOaep, ua.SecurityPolicyURIAes256Sha256RsaPss:
		return true
	case "": // that of the channel
		return e.SecurityPolicyURI != ua.SecurityPolicyURINone
	}
	return e.SecurityMode == ua.MessageSecurityModeSignAndEncrypt
}

// namespaces reads the URIs of a server's namespaces, by their index.
func namespaces(ctx context.Context, c *gopcua.Client) ([]string, error) {
	res, err := c.Read(ctx, &ua.ReadRequest{NodesToRead: []*ua.ReadValueID{{NodeID: ua.NewNumericNodeID(0, id.Server_NamespaceArray)}}})
	if err != nil {
		return nil, fmt.Errorf("opcua: namespaces: %w", ended(ctx, err))
	}
	if len(res.Results) != 1 || res.Results[0].Status != ua.StatusOK || res.Results[0].Value == nil {
		return nil, errors.New("opcua: namespaces: the server does not tell them")
	}
	list, ok := res.Results[0].Value.Value().([]string)
	if !ok || len(list) == 0 || len(list) > maxNamespaces {
		return nil, fmt.Errorf("opcua: namespaces: the server's list is none, or has more than %d", maxNamespaces)
	}
	return list, nil
}
