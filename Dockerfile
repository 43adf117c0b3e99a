# The two commands of README.md: docker build -t qllmft . && docker run --rm qllmft
# A server of a run in ./runs: docker build --build-arg EXTRAS=demo,serve -t qllmft . &&
# docker run --rm -p 8000:8000 -v "$PWD/runs:/qllmft/runs" qllmft serve runs/RUN --host 0.0.0.0
FROM python:3.12-slim
ARG EXTRAS=demo
WORKDIR /qllmft
COPY . .
# PyTorch for the CPU; PyPI's brings CUDA
ENV PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu PIP_CONSTRAINT=constraints.txt PIP_NO_CACHE_DIR=1
# earlier versions of pip have CVE-2026-13346
RUN pip install "pip>=26.2.1"
RUN pip install ".[${EXTRAS}]"
ENTRYPOINT ["qllmft"]
CMD ["train", "--folds", "5"]
