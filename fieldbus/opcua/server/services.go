// Services: stub until those of the space stand.

package server

// services gives the services by the type of their request.
func (s *Server) services() map[uint16]service { return nil }
