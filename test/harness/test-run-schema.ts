/**
 * The schema of k6-operator's TestRun, trimmed to the fields that an export could use, descriptions and defaults left out.
 * From config/crd/bases/k6.io_testruns.yaml of https://github.com/grafana/k6-operator at v1.6.0 (Apache-2.0), version v1alpha1 of the resource.
 */
export const testRunSchema = {
  type: "object",
  properties: {
    apiVersion: {
      type: "string",
      enum: ["k6.io/v1alpha1"],
    },
    kind: {
      type: "string",
      enum: ["TestRun"],
    },
    metadata: {
      type: "object",
      properties: {
        name: {
          type: "string",
        },
      },
      required: ["name"],
    },
    spec: {
      properties: {
        args: {
          items: {
            type: "string",
          },
          type: "array",
        },
        arguments: {
          type: "string",
        },
        cleanup: {
          enum: ["post"],
          type: "string",
        },
        parallelism: {
          type: "integer",
        },
        paused: {
          type: "string",
        },
        quiet: {
          type: "string",
        },
        runner: {
          properties: {
            env: {
              items: {
                properties: {
                  name: {
                    type: "string",
                  },
                  value: {
                    type: "string",
                  },
                  valueFrom: {
                    properties: {
                      configMapKeyRef: {
                        properties: {
                          key: {
                            type: "string",
                          },
                          name: {
                            type: "string",
                          },
                          optional: {
                            type: "boolean",
                          },
                        },
                        required: ["key"],
                        type: "object",
                      },
                      fieldRef: {
                        properties: {
                          apiVersion: {
                            type: "string",
                          },
                          fieldPath: {
                            type: "string",
                          },
                        },
                        required: ["fieldPath"],
                        type: "object",
                      },
                      secretKeyRef: {
                        properties: {
                          key: {
                            type: "string",
                          },
                          name: {
                            type: "string",
                          },
                          optional: {
                            type: "boolean",
                          },
                        },
                        required: ["key"],
                        type: "object",
                      },
                    },
                    type: "object",
                  },
                },
                required: ["name"],
                type: "object",
              },
              type: "array",
            },
            image: {
              type: "string",
            },
            imagePullPolicy: {
              type: "string",
            },
            nodeSelector: {
              additionalProperties: {
                type: "string",
              },
              type: "object",
            },
            securityContext: {
              properties: {
                fsGroup: {
                  type: "integer",
                },
                fsGroupChangePolicy: {
                  type: "string",
                },
                runAsGroup: {
                  type: "integer",
                },
                runAsNonRoot: {
                  type: "boolean",
                },
                runAsUser: {
                  type: "integer",
                },
              },
              type: "object",
            },
            serviceAccountName: {
              type: "string",
            },
            volumeMounts: {
              items: {
                properties: {
                  mountPath: {
                    type: "string",
                  },
                  mountPropagation: {
                    type: "string",
                  },
                  name: {
                    type: "string",
                  },
                  readOnly: {
                    type: "boolean",
                  },
                  recursiveReadOnly: {
                    type: "string",
                  },
                  subPath: {
                    type: "string",
                  },
                  subPathExpr: {
                    type: "string",
                  },
                },
                required: ["mountPath", "name"],
                type: "object",
              },
              type: "array",
            },
            volumes: {
              items: {
                properties: {
                  configMap: {
                    properties: {
                      defaultMode: {
                        type: "integer",
                      },
                      items: {
                        items: {
                          properties: {
                            key: {
                              type: "string",
                            },
                            mode: {
                              type: "integer",
                            },
                            path: {
                              type: "string",
                            },
                          },
                          required: ["key", "path"],
                          type: "object",
                        },
                        type: "array",
                      },
                      name: {
                        type: "string",
                      },
                      optional: {
                        type: "boolean",
                      },
                    },
                    type: "object",
                  },
                  emptyDir: {
                    properties: {
                      medium: {
                        type: "string",
                      },
                    },
                    type: "object",
                  },
                  name: {
                    type: "string",
                  },
                  persistentVolumeClaim: {
                    properties: {
                      claimName: {
                        type: "string",
                      },
                      readOnly: {
                        type: "boolean",
                      },
                    },
                    required: ["claimName"],
                    type: "object",
                  },
                  secret: {
                    properties: {
                      defaultMode: {
                        type: "integer",
                      },
                      items: {
                        items: {
                          properties: {
                            key: {
                              type: "string",
                            },
                            mode: {
                              type: "integer",
                            },
                            path: {
                              type: "string",
                            },
                          },
                          required: ["key", "path"],
                          type: "object",
                        },
                        type: "array",
                      },
                      optional: {
                        type: "boolean",
                      },
                      secretName: {
                        type: "string",
                      },
                    },
                    type: "object",
                  },
                },
                required: ["name"],
                type: "object",
              },
              type: "array",
            },
          },
          type: "object",
        },
        script: {
          properties: {
            configMap: {
              properties: {
                file: {
                  type: "string",
                },
                name: {
                  type: "string",
                },
              },
              required: ["name"],
              type: "object",
            },
            localFile: {
              type: "string",
            },
            volumeClaim: {
              properties: {
                file: {
                  type: "string",
                },
                name: {
                  type: "string",
                },
                readOnly: {
                  type: "boolean",
                },
              },
              required: ["name"],
              type: "object",
            },
          },
          type: "object",
        },
        separate: {
          type: "boolean",
        },
      },
      required: ["parallelism", "script"],
      type: "object",
    },
  },
  required: ["apiVersion", "kind", "metadata", "spec"],
};
