"""Other engines behind one small protocol of lines of JSON, each run by a Python of its own.

`bench/serve.py` starts this file with the peer's interpreter; nothing of Lodesmith is imported.
A line {"prompts": [[ids]], "new": N} is answered by {"seconds": s, "cpu": s, "num": tokens}.

    PEER_PYTHON bench/serve_peers.py llama.cpp MODEL.gguf THREADS
    PEER_PYTHON bench/serve_peers.py ctranslate2 FOLDER THREADS
    PEER_PYTHON bench/serve_peers.py openvino MODEL.gguf THREADS
    PEER_PYTHON bench/serve_peers.py quantize MODEL.gguf OUT.gguf q8_0|q4_0|f16
"""

# ruff: noqa: ANN001, ANN201, ANN202 the interpreters that run this may lack what types need

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def ask_llama_cpp(path, threads):
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = path
    params.n_ctx, params.n_parallel = 32 * 640, 32
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.n_batch = params.n_ubatch = 512
    params.warmup, params.verbosity = True, 0
    params.cache_ram_mib = 0
    server = xllamacpp.Server(params)

    def one(prompt, new):
        body = {"prompt": prompt, "n_predict": new, "max_tokens": new, "temperature": 0,
                "ignore_eos": True, "cache_prompt": False, "return_tokens": True}  # fmt: skip
        answer = server.handle_completions(body)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def answer(prompts, new):
        started = time.perf_counter()
        with ThreadPoolExecutor(len(prompts)) as pool:
            answers = list(pool.map(lambda prompt: one(prompt, new), prompts))
        seconds = time.perf_counter() - started
        return {
            "seconds": seconds,
            "num": sum(each["usage"]["completion_tokens"] for each in answers),
        }

    return answer


def ask_ctranslate2(folder, threads):
    import ctranslate2

    engine = ctranslate2.Generator(
        folder, device="cpu", intra_threads=threads, compute_type="float32"
    )
    names = json.loads(Path(folder, "vocabulary.json").read_text(encoding="utf-8"))

    def answer(prompts, new):
        tokens = [[names[number] for number in prompt] for prompt in prompts]
        started = time.perf_counter()
        results = engine.generate_batch(
            tokens, max_length=new, min_length=new, sampling_topk=1, include_prompt_in_result=False,
            max_batch_size=len(prompts),
        )  # fmt: skip
        seconds = time.perf_counter() - started
        return {
            "seconds": seconds,
            "num": sum(len(each.sequences_ids[0]) for each in results),
        }

    return answer


def ask_openvino(path, threads):
    import numpy as np
    import openvino as ov
    import openvino_genai

    scheduler = openvino_genai.SchedulerConfig()
    scheduler.cache_size, scheduler.enable_prefix_caching = 2, False  # GB
    engine = openvino_genai.ContinuousBatchingPipeline(
        path, scheduler, "CPU",
        {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32",
         "KV_CACHE_PRECISION": "f32"},
    )  # fmt: skip

    def answer(prompts, new):
        config = openvino_genai.GenerationConfig(max_new_tokens=new, ignore_eos=True)
        ids = [ov.Tensor(np.array([prompt], np.int64)) for prompt in prompts]
        started = time.perf_counter()
        results = engine.generate(ids, [config] * len(ids))
        seconds = time.perf_counter() - started
        return {"seconds": seconds, "num": sum(len(each.m_generation_ids[0]) for each in results)}

    return answer


def quantize(source, target, kind):
    """Write a GGUF file with its matrices rounded as llama.cpp's own tool rounds them."""
    import gguf

    types = gguf.GGMLQuantizationType
    wanted = {"q8_0": types.Q8_0, "q4_0": types.Q4_0, "f16": types.F16}[kind]
    reader = gguf.GGUFReader(source)
    arch = reader.fields["general.architecture"].contents()
    writer = gguf.GGUFWriter(target, arch)
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name == "general.architecture":
            continue
        kind_of = field.types[0]
        inner = field.types[-1] if kind_of == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), kind_of, sub_type=inner)
    for tensor in reader.tensors:
        data, form = tensor.data, types.F32
        if data.ndim == 2:
            # Its tool keeps the output at 8 bits or about six where the rest has four.
            form = types.Q8_0 if tensor.name == "token_embd.weight" and kind != "f16" else wanted
            data = gguf.quants.quantize(data, form)
        writer.add_tensor(tensor.name, data, raw_dtype=form)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    name, path, rest = sys.argv[1], sys.argv[2], sys.argv[3:]
    if name == "quantize":
        quantize(path, *rest)
        return
    asks = {"llama.cpp": ask_llama_cpp, "ctranslate2": ask_ctranslate2, "openvino": ask_openvino}
    ask = asks[name](path, int(rest[0]))
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        started = time.process_time()
        answer = ask(order["prompts"], order["new"])
        print(json.dumps({**answer, "cpu": time.process_time() - started}), flush=True)


if __name__ == "__main__":
    main()
