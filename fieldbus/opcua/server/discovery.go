// Discovery: what anybody may ask, so as to find the way in.

package server

import (
	"net"
	"net/url"
	"slices"

	"github.com/gopcua/opcua/ua"
	"github.com/gopcua/opcua/uapolicy"
)

// transport is the only one there is.
const transport = "http://opcfoundation.org/UA-Profile/Transport/uatcp-uasc-uabinary"

// uri is by what the application is known.
func (s *Server) uri() string {
	if s.o.Identity != nil {
		return s.o.Identity.URI
	}
	return "urn:batchkit:server"
}

// reach gives the URL by which a client reaches the server: its own, if that names one of the server's hosts, or else the address that it
// has come to.
func (c *conn) reach(asked string) string {
	at := c.nc.LocalAddr().String()
	u, err := url.Parse(asked)
	if err != nil || u.Scheme != "opc.tcp" || u.User != nil {
		return "opc.tcp://" + at
	}
	host, _, err := net.SplitHostPort(at)
	if u.Hostname() == "localhost" || slices.Contains(c.srv.o.Hosts, u.Hostname()) || err == nil && u.Hostname() == host {
		return "opc.tcp://" + u.Host
	}
	return "opc.tcp://" + at
}

// application describes the server.
func (c *conn) application(url string) *ua.ApplicationDescription {
	return &ua.ApplicationDescription{
		ApplicationURI: c.srv.uri(), ProductURI: "urn:batchkit", ApplicationName: ua.NewLocalizedText(c.srv.o.Name),
		ApplicationType: ua.ApplicationTypeServer, DiscoveryURLs: []string{url},
	}
}

// endpoints gives the ways in: one for each policy.
func (c *conn) endpoints(asked string) []*ua.EndpointDescription {
	out := []*ua.EndpointDescription{}
	at := c.reach(asked)
	for _, sec := range securities {
		if !slices.Contains(c.srv.o.Policies, sec.policy) {
			continue
		}
		e := &ua.EndpointDescription{
			EndpointURL: at, Server: c.application(at), SecurityMode: sec.mode, SecurityPolicyURI: sec.uri,
			UserIdentityTokens:  []*ua.UserTokenPolicy{c.srv.tokenPolicy(sec)},
			TransportProfileURI: transport, SecurityLevel: uapolicy.SecurityLevel(sec.uri, sec.mode),
		}
		if c.srv.o.Identity != nil {
			e.ServerCertificate = c.srv.o.Identity.Certificate
		}
		out = append(out, e)
	}
	return out
}

// getEndpoints answers GetEndpoints.
func (c *conn) getEndpoints(r ua.Request) (ua.Response, error) {
	req, ok := r.(*ua.GetEndpointsRequest)
	if !ok {
		return nil, ua.StatusBadInternalError
	}
	resp := &ua.GetEndpointsResponse{ResponseHeader: responseHeader(req.RequestHeader, ua.StatusOK), Endpoints: []*ua.EndpointDescription{}}
	if len(req.ProfileURIs) == 0 || slices.Contains(req.ProfileURIs, transport) {
		resp.Endpoints = c.endpoints(req.EndpointURL)
	}
	return resp, nil
}

// findServers answers FindServers: there is this one.
func (c *conn) findServers(r ua.Request) (ua.Response, error) {
	req, ok := r.(*ua.FindServersRequest)
	if !ok {
		return nil, ua.StatusBadInternalError
	}
	resp := &ua.FindServersResponse{ResponseHeader: responseHeader(req.RequestHeader, ua.StatusOK), Servers: []*ua.ApplicationDescription{}}
	if len(req.ServerURIs) == 0 || slices.Contains(req.ServerURIs, c.srv.uri()) {
		resp.Servers = append(resp.Servers, c.application(c.reach(req.EndpointURL)))
	}
	return resp, nil
}
