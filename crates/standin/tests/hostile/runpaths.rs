//! Runpaths that disappear, or that are something else than a folder.

use std::fs;

use standin::process::Process;
use standin::{Driver, Environment, Error, Lifecycle};

use crate::support::{SOON, alone, server, told};

#[test]
fn that_disappear_while_everything_is_up_do_not_keep_it_up() {
    alone(|_| {
        let mut env = Environment::new("gone");
        let server = env.add(server("server").file_logger("server.log").build()?)?;
        let process = env.add(
            Process::builder("app")
                .timeout(SOON)
                .binary("sh")
                .args(["-c", "echo ready; sleep 1000"])
                .stdout_regexps(["ready"])
                .build()?,
        )?;
        let env = env.start()?;
        let runpath = env.runpath().ok_or_else(|| Error::msg("it has none"))?;
        fs::remove_dir_all(&runpath).map_err(Error::other)?;
        // Whether that is an error or not, it ends, and both are down.
        let _ = env.stop();
        assert!(server.accept_connection(SOON).is_err());
        assert_eq!(process.pid(), None);
        drop(env);
        // Nor is it made again.
        assert!(!runpath.exists());
        Ok(())
    });
}

#[test]
fn that_disappear_during_a_start_fail_it_with_their_path() {
    alone(|folder| {
        let runpath = folder.join("app");
        let process = Process::builder("app")
            .runpath(&runpath)
            .timeout(SOON)
            .binary("sh")
            .args(["-c", "echo ready; sleep 1000"])
            .stdout_regexps(["ready"])
            .pre_start(|driver: &dyn Driver| {
                let path = driver.base().resource().entity().runpath();
                let path = path.ok_or_else(|| Error::msg("it has none"))?;
                fs::remove_dir_all(path).map_err(Error::other)
            })
            .build()?;
        let told = told(process.start().unwrap_err());
        assert!(told.contains(&*runpath.to_string_lossy()), "{told}");
        assert_eq!(process.pid(), None);
        Ok(())
    });
}

#[test]
fn that_are_a_file_are_refused_and_the_file_stays() {
    alone(|folder| {
        let runpath = folder.join("a-file");
        fs::write(&runpath, "precious").map_err(Error::other)?;
        for path_cleanup in [true, false] {
            let driver = server("server")
                .runpath(&runpath)
                .path_cleanup(path_cleanup)
                .build()?;
            let told = told(driver.start().unwrap_err());
            assert!(told.contains("a-file"), "{told}");
        }
        assert_eq!(
            fs::read_to_string(&runpath).map_err(Error::other)?,
            "precious"
        );
        Ok(())
    });
}
