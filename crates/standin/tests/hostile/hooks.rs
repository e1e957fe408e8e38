//! Hooks that panic, and hooks that never come back.

use std::sync::mpsc::channel;

use standin::{Environment, Error, Lifecycle, Status, TcpClient, context};

use crate::support::{SOON, alone, server, told};

/// A server whose hook of that name panics, with a client after it.
fn with_panicking(hook: &str, runpath: &std::path::Path) -> standin::Result<Environment> {
    let mut env = Environment::builder("hooks").runpath(runpath).build()?;
    let panics = |_: &dyn standin::Driver| panic!("the hook has had enough");
    let options = server("server");
    env.add(
        match hook {
            "pre_start" => options.pre_start(panics),
            "post_start" => options.post_start(panics),
            "pre_stop" => options.pre_stop(panics),
            _ => options.post_stop(panics),
        }
        .build()?,
    )?;
    env.add(
        TcpClient::builder("client")
            .host(context("server", "{{ host }}"))
            .port(context("server", "{{ port }}"))
            .build()?,
    )?;
    Ok(env)
}

#[test]
fn that_panic_fail_the_start_or_the_stop_and_leave_nothing_up() {
    alone(|folder| {
        for hook in ["pre_start", "post_start"] {
            let error = with_panicking(hook, &folder.join(hook))?
                .start()
                .unwrap_err();
            let told = told(error);
            assert!(told.contains("the hook has had enough"), "{told}");
            assert!(told.contains(hook) && told.contains("server"), "{told}");
        }
        for hook in ["pre_stop", "post_stop"] {
            let env = with_panicking(hook, &folder.join(hook))?.start()?;
            let drivers = env.drivers();
            let told = told(env.stop().unwrap_err());
            assert!(told.contains("the hook has had enough"), "{told}");
            assert!(told.contains(hook) && told.contains("server"), "{told}");
            for driver in drivers {
                assert_eq!(driver.status(), Status::Stopped, "{}", driver.name());
            }
        }
        Ok(())
    });
}

#[test]
fn that_panic_while_the_test_panics_end_it_quietly() {
    alone(|folder| {
        let env = with_panicking("pre_stop", folder)?.start()?;
        let test = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
            let _env = env;
            panic!("an assertion");
        }));
        let payload = test.unwrap_err();
        assert_eq!(payload.downcast_ref(), Some(&"an assertion"));
        Ok(())
    });
}

#[test]
fn that_block_are_outlived_by_an_abort() {
    alone(|folder| {
        let (entered, has_entered) = channel();
        let (release, released) = channel::<()>();
        let released = std::sync::Mutex::new(released);
        let mut env = Environment::builder("hooks").runpath(folder).build()?;
        let driver = env.add(
            server("server")
                .post_start(move |_: &dyn standin::Driver| {
                    entered.send(()).map_err(|_| Error::msg("nobody waits"))?;
                    let _ = released.lock().unwrap().recv_timeout(SOON);
                    Ok(())
                })
                .build()?,
        )?;
        let abort = env.abort_handle();
        std::thread::scope(|scope| {
            let starting = scope.spawn(|| env.start().map(drop));
            has_entered.recv_timeout(SOON).unwrap();
            let waiting = scope.spawn(|| driver.accept_connection(None).map(drop));
            // Nobody can end the user's own code; what waits for the driver ends.
            let aborting = scope.spawn(|| abort.abort());
            assert!(waiting.join().unwrap().is_err());
            drop(release);
            aborting.join().unwrap();
            assert!(starting.join().unwrap().is_err());
        });
        Ok(())
    });
}
