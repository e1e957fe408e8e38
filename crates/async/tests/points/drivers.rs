//! Drivers, environments, programs, proxies and their logs.

use super::*;

#[test]
fn a_line_is_found_whenever_a_search_was_dropped() {
    for nth in 0..3 {
        at_every_point(async |point| {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("log");
            let mut log = std::fs::File::create(&path).unwrap();
            // All lines are found however soon the time is up.
            writeln!(log, "line").unwrap();
            let matcher = LogMatcher::new(&path);
            // A few lines, however often the search is polled until its time is up.
            let goes_on = |poll| {
                if poll < 4 {
                    writeln!(log, "line {poll}").unwrap();
                }
            };
            let limit = Duration::from_millis(30);
            let search = async {
                match nth {
                    0 => matcher
                        .match_line_async("line 2", SECONDS)
                        .await
                        .map(|_| ()),
                    1 => matcher.not_match_async("another", limit).await,
                    _ => matcher.match_all_async("line", limit).await.map(|_| ()),
                }
            };
            let found = point.reach(search, goes_on).await;
            let is_over = found.transpose().unwrap().is_some();
            writeln!(log, "the end").unwrap();
            matcher.match_line_async("the end", SECONDS).await.unwrap();
            if nth == 0 && !is_over {
                matcher.seek_start();
                writeln!(log, "line 2").unwrap();
                matcher.match_line_async("line 2", SECONDS).await.unwrap();
            }
            is_over
        });
    }
}

#[test]
fn a_driver_is_of_use_whenever_something_with_it_was_dropped() {
    for nth in 0..8 {
        at_every_point(async |point| {
            let server = TcpServer::builder("server").host("127.0.0.1").build();
            let server = Arc::new(server.unwrap());
            if nth > 0 {
                server.start().unwrap();
            }
            let happens = async {
                match nth {
                    0 => server.start_async().await.unwrap(),
                    1 => server.stop_async().await.unwrap(),
                    2 => server.restart_async().await.unwrap(),
                    3 => server.wind_down_async().await.unwrap(),
                    4 => drop(server.extract_values_async().await.unwrap()),
                    5 => server.wait_async(Status::Started, None).await.unwrap(),
                    6 => server.wait_async(Status::Started, SECONDS).await.unwrap(),
                    _ => {
                        let soon = Duration::from_millis(1);
                        server.wait_async(Status::Stopped, soon).await.unwrap_err();
                    }
                }
            };
            let is_over = point.reach(happens, |_| {}).await.is_some();
            server.start_async().await.unwrap();
            let _peer = TcpStream::connect(("127.0.0.1", server.port().unwrap())).unwrap();
            let accepted = server.accept_connection_async(SECONDS).await;
            accepted.unwrap_or_else(|error| panic!("{nth} {point:?}: {error:?}"));
            server.stop_async().await.unwrap();
            is_over
        });
    }
}

#[test]
fn an_environment_leaves_nothing_whenever_its_start_or_stop_is_dropped() {
    let port = TestPort::claim();
    for nth in 0..3 {
        at_every_point(async |point| {
            let mut env = Environment::new("env");
            let server = TcpServer::builder("server")
                .host("127.0.0.1")
                .port(port.number());
            let server = env.add(server.build().unwrap()).unwrap();
            let is_over = if nth == 0 {
                let env = point.reach(env.start_async(), |_| {}).await;
                env.map(|env| env.unwrap().stop().unwrap()).is_some()
            } else {
                let env = env.start_async().await.unwrap();
                let ends = async {
                    match nth {
                        1 => env.stop_async().await.unwrap(),
                        _ => env.restart_async().await.unwrap(),
                    }
                };
                point.reach(ends, |_| {}).await.is_some()
            };
            assert_ne!(server.status(), Status::Started, "{nth} {point:?}");
            // The next server has the port.
            let next = std::net::TcpListener::bind(("127.0.0.1", port.number()));
            next.unwrap_or_else(|error| panic!("{nth} {point:?}: {error}"));
            is_over
        });
    }
}

#[test]
fn a_program_is_of_use_whenever_a_wait_for_it_was_dropped() {
    let much = vec![b'x'; 1 << 18];
    at_every_point(async |point| {
        let program = Process::builder("program")
            .binary("/bin/sh")
            .args(["-c", "sleep 0.01; exec cat > /dev/null"])
            .build()
            .unwrap();
        program.start().unwrap();
        let written = point.reach(program.write_stdin_async(&much), |_| {}).await;
        let is_over = written.transpose().unwrap().is_some();
        program.write_stdin_async("\nthe end\n").await.unwrap();
        let goes_on = |poll| {
            if poll == 0 {
                program.close_stdin();
            }
        };
        drop(
            point
                .reach(program.wait_for_exit_async(SECONDS), goes_on)
                .await,
        );
        program.close_stdin();
        program.wait_for_exit_async(SECONDS).await.unwrap();
        is_over
    });
}

#[test]
fn a_proxy_is_of_use_whenever_a_wait_for_it_was_dropped() {
    at_every_point(async |point| {
        let target = server();
        let to = format!("127.0.0.1:{}", target.port().unwrap());
        let proxy = TcpProxy::builder("proxy").to(to).build().unwrap();
        proxy.start().unwrap();
        let connect = || TcpStream::connect(("127.0.0.1", proxy.port().unwrap())).unwrap();
        let mut peer = Some(connect());
        let near = target.accept_connection_async(SECONDS).await.unwrap();
        let goes_on = |poll| {
            if poll == 0 {
                drop(peer.take());
                near.close();
            }
        };
        let few = point
            .reach(proxy.wait_until_open_async(0, SECONDS), goes_on)
            .await;
        let is_over = few.transpose().unwrap().is_some();
        drop(peer);
        near.close();
        proxy.wait_until_open_async(0, SECONDS).await.unwrap();
        let _next = connect();
        target.accept_connection_async(SECONDS).await.unwrap();
        is_over
    });
}
