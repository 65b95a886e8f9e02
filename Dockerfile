# The main job in a container: docker build -t kdistill . && docker run -v "$PWD/runs:/work/runs" kdistill
# Another: docker run -v "$PWD:/work" kdistill run --data.dir pets
FROM python:3.11-slim
WORKDIR /source
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY distill ./distill
COPY kernels ./kernels
COPY pipeline ./pipeline
RUN pip install --no-cache-dir -c constraints.txt .
WORKDIR /work
ENTRYPOINT ["kdistill"]
CMD ["run", "digits"]
