"""F5-TTS inference on plain torch: configuration, model, sampler, tokenizer, mel, vocoder, checkpoints.

Written from the paper (arXiv 2410.06885) and the published architecture; the same weights give the same numbers as the
official package. No training, no HTTP, no files other than checkpoints, and no knowledge of requests: the room's one
user is `engines.f5tts_engine`. Importing a module of this room imports torch.
"""
