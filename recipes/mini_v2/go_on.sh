#!/usr/bin/env bash
# One run on a machine with GPUs: goes on from what ships, until the clock says stop. From the repository's root:
#
#   GPUS=2 SECONDS_OF_UNET=1000 bash recipes/mini_v2/go_on.sh
#
# All cores paint while the GPUs encode and train. Before it, put pictures.jsonl.xz, rasters/ and collections.jsonl.xz
# into $WORK (see README.md). Leaves $WORK/model in float8, the image tower that follows in $WORK/follow/result, the
# evaluation in $WORK/evaluation, a sheet of the 64 prompts in $WORK/sheet.png, and logs in $WORK/logs.
set -euo pipefail
set -m # a process group for each job in the background, so that a pool of painters is stopped whole

WORK=${WORK:-build/v2}
PYTHON=${PYTHON:-.venv/bin/python}
GPUS=${GPUS:-1}
BATCH=${BATCH:-768}                        # latents a GPU
SECONDS_OF_UNET=${SECONDS_OF_UNET:-720}    # compiling, about two minutes, included
STEPS=${STEPS:-3450}                       # the learning rate falls to nothing here: at most what the clock allows
SHARES=${SHARES:-landscapes=0.27,compositions=0.15,icons=0.30,icon_pairs=0.16,portraits=0.07,things=0.05}
TURNS=${TURNS:-256x256=44,256x256+=3,256x384=1,384x256=1,320x320=1}
FIRST_SEED=${FIRST_SEED:-8000000}          # another one in each run: below 10,000,000, where held-out pictures begin
ASSETS=pai_modelscope/assets
LOGS=$WORK/logs

for needed in pictures.jsonl.xz rasters collections.jsonl.xz; do
    [ -e "$WORK/$needed" ] || { echo "$WORK/$needed is missing: make it first, see recipes/mini_v2/README.md" >&2; exit 1; }
done
mkdir -p "$LOGS"

stop_painting() { # and encoding
    for job in $(jobs -p); do kill -- -"$job" 2>/dev/null || true; done
}
trap stop_painting EXIT

paint() { # domain, size, pictures, workers
    CUDA_VISIBLE_DEVICES='' OMP_NUM_THREADS=1 nice -n 19 "$PYTHON" -m recipes.mini_v2.pool --work "$WORK" \
        --domain "$1" --size "$2" --count "$3" --workers "$4" --first-seed "$FIRST_SEED" >"$LOGS/paint-$1-$2.log" 2>&1
}

cores=$(nproc)
paint landscapes 256x256 120000 $((cores * 3 / 8)) &
paint compositions 256x256 80000 $((cores / 4)) &
paint icons 256x256 61440 $((cores / 8)) &
paint icon_pairs 256x256 30720 1 &
paint portraits 256x256 15360 1 &
paint things 256x256 10240 1 &
{ paint tower_icons 256x256 10240 1; paint dishes 256x256 2560 1; } &
for size in 256x384 384x256 320x320; do
    { for domain in landscapes icons compositions; do paint $domain $size 1024 1; done; } &
done

"$PYTHON" -m recipes.mini_v2.adopt --assets $ASSETS --work "$WORK"
for ((gpu = 0; gpu < GPUS; gpu++)); do
    CUDA_VISIBLE_DEVICES=$gpu "$PYTHON" -m recipes.mini_v2.latents --work "$WORK" --watch --part $gpu/"$GPUS" \
        >"$LOGS/latents-$gpu.log" 2>&1 &
done
for folder in {landscapes,compositions,icons}/256x256/00002 {icon_pairs,portraits,things}/256x256/00000 \
    landscapes/{256x384,384x256,320x320}/00000; do
    until [ -e "$WORK/latents/$folder.safetensors" ]; do sleep 1; done
done

OMP_NUM_THREADS=4 "$PYTHON" -m torch.distributed.run --standalone --nproc_per_node "$GPUS" -m recipes.mini_v2.unet \
    --work "$WORK" --init "$WORK/adopted/unet" --text "$WORK/stage/text_encoder" --steps "$STEPS" --batch "$BATCH" \
    --learning-rate 1.5e-3 --text-learning-rate 2e-4 --decay 0.999 --rounded 0.08 --shares "$SHARES" --turns "$TURNS" \
    --precision bf16 --compile --max-seconds "$SECONDS_OF_UNET" 2>&1 | tee "$LOGS/unet.log"
stop_painting

"$PYTHON" -m recipes.mini_v2.assemble --work "$WORK" --out "$WORK/model" --float8
"$PYTHON" -m recipes.mini_v2.clip --work "$WORK" --name follow --init $ASSETS/chinese-clip-mini \
    --text "$WORK/model/text_encoder" --steps 800 --batch 1536 --limit 12000 --precision bf16 \
    --shares landscapes=0.3,tower_icons=0.25,icons=0.1,compositions=0.15,portraits=0.1,things=0.05,dishes=0.05
"$PYTHON" -m pai_modelscope.evaluation --model "$WORK/model" --data "$WORK/pictures.jsonl.xz" --limit 300 \
    --out "$WORK/evaluation"
"$PYTHON" -m recipes.mini_v2.draw --model "$WORK/model" --out "$WORK/sheet.png"
