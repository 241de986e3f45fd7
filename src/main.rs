use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    grantor::cli::run(std::env::args_os(), std::env::vars_os()).await
}
