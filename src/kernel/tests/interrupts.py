"""How soon long calls of the library stop when they are interrupted, as JSON: the median and the longest, in seconds.
Then how long single decompositions take, which an interrupt waits for.

Argument: how many interrupts of each call, at moments spread over its first seconds. Outside the checks.
"""

import json
import statistics
import sys
import time

from jupyter_client.manager import start_new_kernel

from conformance import KERNEL, PATIENCE, messages, reply_to, run

SETUP = (
    "use rankscope::claim::{self, Effort, PhaseGrid, Settings, phase_map};"
    "use rankscope::model::{self, Config, Input, generate};"
    "fn grid(n: usize) -> PhaseGrid { PhaseGrid { n, head_sizes: (1..=20).map(|step| 6 * step).collect(), "
    "scales: (1..=20).map(|step| 0.2 * step as f64).collect(), alignment: 0.0, seed: 0, seeds: 300 } }"
    "let config: Config = Config::from_value(\"seeded\", r#\"{\"model_type\": \"llama\", "
    "\"hidden_size\": 768, \"num_attention_heads\": 12, \"num_hidden_layers\": 12, \"intermediate_size\": 2048, "
    "\"hidden_act\": \"silu\", \"vocab_size\": 8192, \"max_position_embeddings\": 4096, "
    "\"rms_norm_eps\": 1e-5}\"#.parse()?)?;"
    "let model: Box<dyn model::Model> = model::seeded(&config, 7, &Device::Cpu)?;"
    "let tokens: Vec<u32> = (0..1024).collect();"
)
GENERATE = (
    "let mut settings = generate::Settings::default(); settings.tokens = 2000; settings.use_cache = {cache};"
    "generate::generate(&*model, &Input::new(tokens[..{prompt}].to_vec()), &settings, &mut |_| Ok(()), &Run::new(7))?;"
)
CALLS = {
    "phase map, n = 128": "phase_map(&grid(128), &Device::Cpu, &Run::new(0))?;",
    "phase map, n = 512": "phase_map(&grid(512), &Device::Cpu, &Run::new(0))?;",
    "phase map, n = 1024": "phase_map(&grid(1024), &Device::Cpu, &Run::new(0))?;",
    "generation, 12 layers of 768, with a cache": GENERATE.format(cache="true", prompt=64),
    "the same without, behind 1024 tokens": GENERATE.format(cache="false", prompt=1024),
}
DECOMPOSE = (
    "{{ let size = {size}usize; let matrix = rankscope::ndarray::Array2::from_shape_fn((size, size), "
    "|(row, column)| ((row * 7919 + column * 104729) % 1009) as f64); let began = std::time::Instant::now(); "
    "rankscope::rank::Spectrum::of(matrix.view())?; began.elapsed().as_secs_f64() }}"
)
CLAIM = "claim::run({claim}, &Settings::new({claim}, Effort::Full, Device::Cpu)?, &Run::new(0))?;"


def interrupt(manager, client, code, after):
    """Seconds from the interrupt to the reply; none if the cell was done before."""
    request = client.execute(f'{{ println!("on"); {code} }}')
    while (message := client.get_iopub_msg(timeout=PATIENCE))["msg_type"] != "stream":
        assert message["msg_type"] != "error", message["content"]
    time.sleep(after)
    began = time.monotonic()
    manager.interrupt_kernel()
    reply = reply_to(client, request)
    seconds = time.monotonic() - began
    messages(client, request)
    if reply["status"] == "ok":
        return None
    assert reply["ename"] == "Interrupted", reply
    assert "kept" in reply["evalue"], reply
    return seconds


def main(count):
    manager, client = start_new_kernel(kernel_name=KERNEL, startup_timeout=PATIENCE)
    reply = run(client, SETUP)[0]
    assert reply["status"] == "ok", reply
    names = run(client, "claim::CLAIMS.iter().map(|claim| claim.about().id).collect::<Vec<_>>()")[1]
    claims = json.loads(names[-1][1]["data"]["text/plain"])
    calls = dict(CALLS)
    for number, name in enumerate(claims):
        calls[f"claim {name}"] = CLAIM.format(claim=f"claim::CLAIMS[{number}]")
    for name, code in calls.items():
        moments = [0.3 + 3.0 * part / count for part in range(count)]
        times = [seconds for after in moments if (seconds := interrupt(manager, client, code, after)) is not None]
        found = {"median": round(statistics.median(times), 3), "longest": round(max(times), 3)} if times else {}
        print(json.dumps({"call": name, "stopped": len(times), **found}), flush=True)
    for size in (512, 1024, 2048):
        published = run(client, DECOMPOSE.format(size=size))[1]
        seconds = float(published[-1][1]["data"]["text/plain"])
        print(json.dumps({"call": f"one decomposition of {size} x {size}", "takes": round(seconds, 3)}), flush=True)
    client.stop_channels()
    manager.shutdown_kernel()


if __name__ == "__main__":
    main(int(sys.argv[1]))
