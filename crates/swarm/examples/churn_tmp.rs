//! dev
use pvcheck_swarm::*;
#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let a: Vec<String> = std::env::args().collect();
    let engine = Engine::connect(&a[1].parse()?).await?;
    let run = RunId::unique();
    let p = Permit::granted_by_operator();
    let order = match a[3].as_str() {
        "stack-rm" => Order::StackRm,
        _ => Order::Drained,
    };
    let watch = |p: Progress| println!("{p:?}");
    if a[3] == "census" {
        println!(
            "{}",
            serde_json::to_string_pretty(
                &census(&engine, p, &a[2], &CensusOptions::default(), &run, &watch).await?
            )?
        );
        return Ok(());
    }
    let plan = ChurnPlan {
        network: a[2].clone(),
        stacks: 5,
        replicas: 2,
        rounds: 1,
        order,
        image: "bb:1".into(),
        command: ["sh", "-c", "trap 'sleep 2; exit 0' TERM; while :; do sleep 0.2; done"]
            .map(String::from)
            .to_vec(),
        reserve: 8,
        patience: std::time::Duration::from_secs(60),
        census: CensusOptions::default(),
    };
    println!("{}", serde_json::to_string_pretty(&churn(&engine, p, &plan, &run, &watch).await?)?);
    Ok(())
}
