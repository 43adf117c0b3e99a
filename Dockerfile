# The two commands of README.md: docker build -t qllmft . && docker run --rm qllmft
FROM python:3.12-slim
WORKDIR /qllmft
COPY . .
# PyTorch for the CPU; PyPI's brings CUDA
ENV PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu PIP_CONSTRAINT=constraints.txt PIP_NO_CACHE_DIR=1
RUN pip install '.[demo]'
CMD ["qllmft", "train"]
