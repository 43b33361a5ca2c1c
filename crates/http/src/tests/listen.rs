//! The sockets.

use std::net::TcpStream;

use super::away;
use crate::server;

#[actix_web::test]
async fn a_connection_ends_whose_client_takes_nothing() {
    let listeners = server::listen(&away::settings()).unwrap();
    listeners[0].set_nonblocking(false).unwrap();
    let _client = TcpStream::connect(listeners[0].local_addr().unwrap()).unwrap();
    let (accepted, _) = listeners[0].accept().unwrap();
    assert_eq!(rustix::net::sockopt::tcp_user_timeout(&accepted).unwrap(), 60_000);
}
